package directives

// noEffect are directives that tune what pinion does not have, or does by itself. What guards access must not stand
// here: a test holds it.
var noEffect = []struct {
	reason string
	names  string // of httpd's table
	module string
	more   string // of MPMs and modules that the table leaves out
}{
	{reason: "pinion serves any number of connections in one process and sizes itself", module: "mpm_prefork_module",
		names: "StartServers MinSpareThreads MaxSpareThreads ServerLimit ThreadLimit ThreadsPerChild ThreadStackSize MaxRequestWorkers " +
			"MaxClients MaxConnectionsPerChild MaxRequestsPerChild AsyncRequestWorkerFactor ListenCoresBucketsRatio MaxMemFree",
		more: "MinSpareServers MaxSpareServers"},
	{reason: "the kernel's own sizes are used",
		names: "SendBufferSize ReceiveBufferSize ListenBacklog"},
	{reason: "a connection is accepted when its first bytes have come or after 30 seconds, as is httpd's default on Linux",
		names: "ListenTCPDeferAccept AcceptFilter"},
	{reason: "pinion has no shared memory, locks or dumps between processes",
		names: "Mutex ScoreBoardFile CoreDumpDirectory", module: "core", more: "EnableExceptionHook GprofDir"},
	{reason: "pinion chooses how files and buffers are read and sent",
		names: "EnableMMAP EnableSendfile ReadBufferSize FlushMaxThreshold FlushMaxPipelined CacheFile MMapFile"},
	{reason: "pinion runs no CGI programs", module: "suexec_module",
		names: "RLimitCPU RLimitMEM RLimitNPROC ScriptSock ScriptLog ScriptLogLength ScriptLogBuffer CGIDScriptTimeout CGIVar Suexec",
		more:  "SuexecUserGroup"},
	{reason: "pinion always keeps this status, and shows the whole of it", names: "ExtendedStatus SeeRequestTail"},
	{reason: "pinion parses no XML bodies", names: "LimitXMLRequestBody"},
	{reason: "pinion negotiates no languages: a URL names one file", names: "LanguagePriority ForceLanguagePriority CacheNegotiatedDocs"},
	{reason: "types come from the names of files alone", names: "MimeMagicFile"},
	{reason: "Go's TLS keeps its own sessions, tickets and random numbers", names: "SSLSessionCache SSLSessionCacheTimeout SSLRandomSeed SSLCryptoDevice"},
	{reason: "pinion's HTTP/2 sizes itself", names: "H2MinWorkers H2MaxWorkers H2MaxWorkerIdleSeconds H2SessionExtraFiles H2CopyFiles H2TLSWarmUpSize " +
		"H2TLSCoolDownSecs H2StreamMaxMemSize H2SerializeHeaders H2OutputBuffering"},
	{reason: "pinion's timers need no tuning", names: "WatchdogInterval"},
}

// instead are hints of single directives.
var instead = map[string]string{
	"sslrequire":               "use Require expr",
	"setinputfilter":           "pinion has no input filters; let the backend do it",
	"contentdigest":            "let the backend send the digest",
	"cgipassauth":              "pinion runs no CGI programs; backends are given Authorization as it came",
	"qualifyredirecturl":       "pinion sets REDIRECT_URL to the path alone",
	"protocol":                 "write the protocol into Listen, as in Listen 443 https",
	"sslinsecurerenegotiation": "Go's TLS never renegotiates in the insecure way; remove it",
	"sslsrpverifierfile":       "Go's TLS has no SRP; use certificates",
	"ssllog":                   "use ErrorLog and LogLevel ssl:debug",
	"sslloglevel":              "use LogLevel ssl:debug",
}

// modules are hints for all other directives of a module.
var modules = map[string]string{
	"actions_module":          "pinion runs no CGI programs; proxy to an application",
	"auth_digest_module":      "use AuthType Basic over TLS; Digest keeps passwords in a form that is worth as much as the password",
	"auth_form_module":        "let the application ask for the password, or use AuthType Basic",
	"authn_anon_module":       "use Require all granted, or AuthType Basic with a file",
	"authn_dbd_module":        "use AuthUserFile, or let the backend decide",
	"authn_dbm_module":        "use AuthUserFile, or let the backend decide",
	"authn_socache_module":    "users' files are kept in memory; remove it",
	"authnz_fcgi_module":      "let the backend decide",
	"authnz_ldap_module":      "use AuthUserFile, or an authenticating proxy such as oauth2-proxy behind ProxyPass",
	"util_ldap_module":        "use AuthUserFile, or an authenticating proxy such as oauth2-proxy behind ProxyPass",
	"authz_dbd_module":        "use AuthGroupFile, or let the backend decide",
	"authz_dbm_module":        "use AuthGroupFile, or let the backend decide",
	"autoindex_module":        "use IndexOptions FancyIndexing",
	"brotli_module":           "let the backend compress",
	"buffer_module":           "pinion streams; remove it",
	"cache_module":            "put a cache such as Varnish in front of the backend, or remove it",
	"cache_disk_module":       "put a cache such as Varnish in front of the backend, or remove it",
	"cache_socache_module":    "put a cache such as Varnish in front of the backend, or remove it",
	"cern_meta_module":        "use Header",
	"cgid_module":             "pinion runs no CGI programs; proxy to an application",
	"charset_lite_module":     "let the backend convert",
	"dav_module":              "proxy to a WebDAV server",
	"dav_fs_module":           "proxy to a WebDAV server",
	"dav_lock_module":         "proxy to a WebDAV server",
	"dbd_module":              "pinion knows no databases; let the backend ask them",
	"deflate_module":          "pinion inflates nothing; let the backend do it",
	"dumpio_module":           "use LogLevel trace8, or tcpdump",
	"ext_filter_module":       "pinion runs no filter programs; let the backend do it",
	"filter_module":           "use AddOutputFilterByType, SetOutputFilter or AddOutputFilter",
	"ident_module":            "nobody answers ident any more; remove it",
	"imagemap_module":         "let the backend do it",
	"include_module":          "pinion reads no SSI; let the backend do it",
	"info_module":             "use pinion -t -v, pinion -S and pinion -L",
	"log_debug_module":        "use LogLevel debug",
	"log_forensic_module":     "use LogLevel debug, or a CustomLog",
	"lua_module":              "pinion runs no Lua; use mod_rewrite, mod_headers and expressions, or the backend",
	"md_module":               "let certbot or lego get the certificates; pinion takes new ones without a restart",
	"mime_magic_module":       "types come from the names of files; use AddType",
	"proxy_express_module":    "write ProxyPass, or use RewriteMap with [P]",
	"proxy_ftp_module":        "pinion speaks no FTP",
	"proxy_html_module":       "let the backend write the right links, or use ProxyPassReverse and ProxyPreserveHost",
	"proxy_scgi_module":       "use FastCGI, uwsgi's HTTP mode, or HTTP",
	"reflector_module":        "pinion has no reflector",
	"request_module":          "pinion keeps no request bodies",
	"sed_module":              "let the backend write the text",
	"session_module":          "let the application keep sessions",
	"session_cookie_module":   "let the application keep sessions",
	"session_crypto_module":   "let the application keep sessions",
	"session_dbd_module":      "let the application keep sessions",
	"socache_memcache_module": "pinion has no shared object cache",
	"socache_redis_module":    "pinion has no shared object cache",
	"speling_module":          "use RewriteRule or Redirect",
	"ssl_module":              "see docs/differences.md for what of mod_ssl pinion's TLS has",
	"userdir_module":          "use AliasMatch",
	"usertrack_module":        "let the application set the cookie, or use Header add Set-Cookie",
	"vhost_alias_module":      "write one <VirtualHost> each, by Macro and Use perhaps",
	"xml2enc_module":          "let the backend convert",
}
