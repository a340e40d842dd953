package directives

// foreign are directives of modules that the httpd project doesn't ship, the ones that are met most.
var foreign = []struct{ module, hint, names string }{
	{"jk_module", "use ProxyPass with ajp://, see mod_proxy_ajp; stickysession=JSESSIONID|jsessionid keeps sessions",
		"JkMount JkUnMount JkMountFile JkMountCopy JkWorkersFile JkWorkerProperty JkLogFile JkLogLevel JkLogStampFormat JkShmFile JkShmSize " +
			"JkOptions JkRequestLogFormat JkWatchdogInterval JkEnvVar JkAutoAlias JkAutoMount JkExtractSSL JkHTTPSIndicator JkStripSession JkTrimMode"},
	{"wsgi_module", "run the application with gunicorn, uWSGI or mod_wsgi-express and ProxyPass to it",
		"WSGIScriptAlias WSGIScriptAliasMatch WSGIDaemonProcess WSGIProcessGroup WSGIApplicationGroup WSGIPythonPath WSGIPythonHome " +
			"WSGIPassAuthorization WSGISocketPrefix WSGIImportScript WSGIRestrictStdout WSGIRestrictStdin WSGIRestrictEmbedded WSGILazyInitialization " +
			"WSGIChunkedRequest WSGIScriptReloading WSGIAuthUserScript WSGIAuthGroupScript WSGIAccessScript"},
	{"php_module", "keep PHP behind a server that speaks FastCGI, and proxy to that by http; settings go into the pool's file of PHP-FPM",
		"php_value php_flag php_admin_value php_admin_flag PHPIniDir php_ini_scanner"},
	{"passenger_module", "run the application with Puma or Passenger Standalone and ProxyPass to it",
		"PassengerRoot PassengerRuby PassengerDefaultRuby PassengerPython PassengerNodejs PassengerAppRoot PassengerAppEnv PassengerAppType " +
			"PassengerStartupFile PassengerEnabled PassengerMaxPoolSize PassengerMinInstances PassengerPreStart PassengerUseGlobalQueue PassengerUser " +
			"PassengerGroup PassengerSpawnMethod PassengerPoolIdleTime PassengerMaxRequests PassengerHighPerformance PassengerLogLevel " +
			"PassengerStatThrottleRate PassengerBaseURI PassengerFriendlyErrorPages RailsEnv RailsBaseURI RailsSpawnMethod RackBaseURI RackEnv"},
	{"perl_module", "run the application as a server of its own (Plack, Starman) and ProxyPass to it",
		"PerlHandler PerlResponseHandler PerlAccessHandler PerlAuthenHandler PerlAuthzHandler PerlCleanupHandler PerlLogHandler PerlFixupHandler " +
			"PerlTransHandler PerlHeaderParserHandler PerlInitHandler PerlChildInitHandler PerlPostConfigRequire PerlConfigRequire PerlModule PerlRequire " +
			"PerlOptions PerlSendHeader PerlSetVar PerlAddVar PerlSetEnv PerlPassEnv PerlSwitches PerlTaintCheck PerlWarn"},
	{"security2_module", "pinion has no application firewall: leaving it out would leave the server open; put one such as Coraza or ModSecurity in front",
		"SecRuleEngine SecRule SecAction SecDefaultAction SecRequestBodyAccess SecResponseBodyAccess SecRequestBodyLimit SecRequestBodyNoFilesLimit " +
			"SecResponseBodyLimit SecServerSignature SecAuditEngine SecAuditLog SecAuditLogParts SecAuditLogType SecDebugLog SecDebugLogLevel " +
			"SecTmpDir SecDataDir SecRuleRemoveById SecRuleRemoveByTag SecRuleUpdateTargetById SecMarker SecComponentSignature SecUnicodeMapFile"},
	{"evasive20_module", "pinion doesn't limit clients by rate: use fail2ban, or a limit in front",
		"DOSHashTableSize DOSPageCount DOSSiteCount DOSPageInterval DOSSiteInterval DOSBlockingPeriod DOSEmailNotify DOSLogDir DOSSystemCommand DOSWhitelist"},
	{"dav_svn_module", "run svnserve, or httpd behind ProxyPass, for Subversion",
		"SVNPath SVNParentPath SVNListParentPath SVNAutoversioning SVNPathAuthz SVNIndexXSLT SVNReposName AuthzSVNAccessFile AuthzSVNReposRelativeAccessFile " +
			"AuthzSVNAuthoritative AuthzSVNNoAuthWhenAnonymousAllowed"},
	{"geoip_module", "pinion knows no countries: let the backend look the address up",
		"GeoIPEnable GeoIPDBFile GeoIPScanProxyHeaders GeoIPOutput GeoIPEnableUTF8 GeoIPUseFirstXForwardedFor MaxMindDBEnable MaxMindDBFile MaxMindDBEnv"},
	{"auth_openidc_module", "use an authenticating proxy such as oauth2-proxy",
		"OIDCProviderMetadataURL OIDCClientID OIDCClientSecret OIDCRedirectURI OIDCCryptoPassphrase OIDCScope OIDCCookiePath OIDCCookieDomain " +
			"OIDCRemoteUserClaim OIDCSessionInactivityTimeout OIDCSessionMaxDuration OIDCProviderIssuer OIDCResponseType OIDCSSLValidateServer"},
	{"mod_shib", "use an authenticating proxy, or Shibboleth in the application",
		"ShibRequestSetting ShibRequireSession ShibUseHeaders ShibUseEnvironment ShibCompatValidUser ShibConfig ShibURLScheme ShibRequireAll ShibDisable"},
	{"auth_mellon_module", "use an authenticating proxy", "MellonEnable MellonVariable MellonEndpointPath MellonSPPrivateKeyFile MellonSPCertFile MellonIdPMetadataFile MellonSetEnv MellonCond MellonUser"},
	{"auth_cas_module", "use an authenticating proxy", "CASLoginURL CASValidateURL CASCookiePath CASAuthNHeader CASVersion CASTimeout CASIdleTimeout CASRootProxiedAs CASCertificatePath"},
	{"auth_kerb_module", "use an authenticating proxy", "KrbAuthRealms KrbServiceName Krb5KeyTab KrbMethodNegotiate KrbMethodK5Passwd KrbLocalUserMapping KrbSaveCredentials KrbVerifyKDC KrbAuthoritative"},
	{"auth_gssapi_module", "use an authenticating proxy", "GssapiCredStore GssapiSSLonly GssapiLocalName GssapiBasicAuth GssapiUseSessions GssapiSessionKey GssapiAllowedMech GssapiDelegCcacheDir"},
	{"sspi_auth_module", "use an authenticating proxy", "SSPIAuth SSPIAuthoritative SSPIDomain SSPIOfferBasic SSPIBasicPreferred SSPIUsernameCase SSPIOmitDomain"},
	{"authnz_pam_module", "use AuthUserFile, or an authenticating proxy", "AuthPAMService AuthPAMExpiredRedirect AuthPAM_Enabled AuthPAM_FallThrough"},
	{"fcgid_module", "keep the application behind a server that speaks FastCGI, and proxy to that by http",
		"FcgidWrapper FcgidInitialEnv FcgidMaxProcesses FcgidMaxProcessesPerClass FcgidMaxRequestLen FcgidMaxRequestsPerProcess FcgidIOTimeout FcgidBusyTimeout " +
			"FcgidConnectTimeout FcgidIPCDir FcgidProcessTableFile FcgidIdleTimeout FcgidProcessLifeTime FcgidFixPathinfo FcgidPassHeader IPCConnectTimeout IPCCommTimeout"},
	{"fastcgi_module", "keep the application behind a server that speaks FastCGI, and proxy to that by http", "FastCgiServer FastCgiExternalServer FastCgiIpcDir FastCgiConfig FastCgiWrapper"},
	{"proxy_cluster_module", "name the members in <Proxy balancer://…>; pinion takes a changed file without a restart",
		"ManagerBalancerName EnableMCMPReceive ServerAdvertise AdvertiseGroup AdvertiseFrequency AdvertiseSecurityKey CreateBalancers EnableOptions EnableWsTunnel " +
			"WSUpgradeHeader UseAlias UseNocanon Maxcontext Maxnode Maxhost Maxsessionid MemManagerFile PersistSlots KeepAliveInterval ModProxyClusterHCTemplate"},
	{"rpaf_module", "use RemoteIPHeader and RemoteIPInternalProxy, see mod_remoteip", "RPAFenable RPAF_Enable RPAFproxy_ips RPAF_ProxyIPs RPAFheader RPAF_Header RPAFsethostname RPAF_SetHostName RPAF_SetHTTPS RPAF_SetPort"},
	{"cloudflare_module", "use RemoteIPHeader CF-Connecting-IP, see mod_remoteip", "CloudFlareRemoteIPHeader CloudFlareRemoteIPTrustedProxy DenyAllButCloudFlare"},
	{"xsendfile_module", "pinion doesn't send files that a backend names; let the backend send them", "XSendFile XSendFilePath XSendFileIgnoreEtag XSendFileIgnoreLastModified"},
	{"pagespeed_module", "pinion changes no pages", "ModPagespeed ModPagespeedInheritVHostConfig ModPagespeedFileCachePath ModPagespeedEnableFilters ModPagespeedDisableFilters ModPagespeedDisallow ModPagespeedAllow ModPagespeedDomain"},
	{"qos_module", "pinion has no such limits: leaving it out would leave the server open; put a limit in front", "QS_ClientEntries QS_SrvMaxConn QS_SrvMaxConnClose QS_SrvMaxConnPerIP QS_SrvMinDataRate QS_LocRequestLimit QS_LocRequestLimitMatch"},
	{"limitipconn_module", "pinion has no such limit: put one in front", "MaxConnPerIP OnlyIPLimit NoIPLimit"},
	{"mono_module", "run the application with Kestrel and ProxyPass to it", "MonoApplications MonoServerPath MonoDebug MonoSetEnv MonoSetServerAlias MonoAutoApplication"},
	{"python_module", "run the application with gunicorn or uWSGI and ProxyPass to it", "PythonHandler PythonPath PythonDebug PythonOption PythonInterpreter PythonAutoReload"},
	{"itk_module", "pinion runs as one user; run the applications as theirs", "AssignUserID MaxClientsVHost NiceValue LimitUIDRange LimitGIDRange"},
	{"weblogic_module", "use ProxyPass to the members of the cluster", "WebLogicCluster WebLogicHost WebLogicPort MatchExpression WLLogFile WLIOTimeoutSecs WLCookieName WLProxySSL WLSRequest"},
}

// dropped are directives of httpd before 2.4, which 2.4 refuses.
var dropped = []struct{ hint, names string }{
	{"httpd 2.4 has Mutex instead, which pinion doesn't need; remove it", "AcceptMutex LockFile SSLMutex RewriteLock"},
	{"use LogLevel rewrite:trace3", "RewriteLog RewriteLogLevel"},
	{"use CustomLog", "CookieLog TransferLogFormat RefererLog RefererIgnore AgentLog"},
	{"use Require, AuthMerging and <RequireAll>", "AuthDefaultAuthoritative AuthzDefaultAuthoritative AuthzUserAuthoritative AuthzGroupFileAuthoritative " +
		"AuthzHostAuthoritative AuthzOwnerAuthoritative AuthzDBMAuthoritative AuthAuthoritative AuthDBMAuthoritative Anonymous_Authoritative AuthzLDAPAuthoritative AuthLDAPAuthoritative"},
	{"use AuthUserFile and AuthGroupFile", "AuthDigestFile AuthDigestGroupFile AuthDBUserFile AuthDBGroupFile AuthLDAPEnabled"},
	{"use Listen", "BindAddress"},
	{"modules are built in; remove it", "AddModule ClearModuleList"},
	{"remove it: there is one way to run", "ServerType AccessConfig ResourceConfig Win32DisableAcceptEx MaxThreads StartThreads MaxRequestsPerThread MaxThreadsPerChild NumServers ChildPerUserID"},
	{"put a cache such as Varnish in front of the backend, or remove it", "CacheForceCompletion CacheGcInterval CacheSize MCacheSize MCacheMaxObjectCount MCacheMaxObjectSize MCacheMinObjectSize MCacheRemovalAlgorithm MCacheMaxStreamingBuffer"},
	{"use UnsetEnv and RequestHeader", "PassAllEnv"},
	{"name the charset with AddDefaultCharset", "AddClientEncoding DefaultClientEncoding CharsetPriority"},
}
