package http2_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pinion/runtime"
	"pinion/runtime/core"
	"pinion/runtime/headers"
	"pinion/runtime/http2"
	"pinion/runtime/runtimetest"
	ptls "pinion/runtime/tls"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

// count is a module that answers requests below /count with the length of their body, and cuts its answer at /cut.
var count = runtime.Define(runtime.Module{Name: "count_module", File: "mod_count.c", Hooks: []runtime.Hook{
	{Phase: runtime.Handler, Order: runtime.First, Always: true, Run: func(r *runtime.Request) runtime.Result {
		switch {
		case strings.HasPrefix(r.URI, "/count"):
			n, err := io.Copy(io.Discard, r.Body)
			if be, ok := err.(*runtime.BodyError); ok {
				return runtime.Result(be.Status)
			}
			r.HeadersOut.Add("X-Two", "1")
			r.HeadersOut.Add("X-Two", "2")
			r.HeadersOut.Add("Connection", "X-Secret")
			_ = r.SendText("text/plain", fmt.Sprintf("%s %s %d", r.Method, r.Hostname, n))
			return runtime.OK
		case r.URI == "/cut":
			_ = r.Begin(-1)
			fmt.Fprint(r, "a part")
			r.Wire.Abort()
			return runtime.Done
		}
		return runtime.Declined
	}},
}})

// serve serves HTTP/2 and returns a client for it.
func serve(t *testing.T, more string) (*http.Client, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "h2.test"}, DNSNames: []string{"h2.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, _ := x509.MarshalPKCS8PrivateKey(key)
	both := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})...)
	file := filepath.Join(t.TempDir(), "both.pem")
	if err := os.WriteFile(file, both, 0o600); err != nil {
		t.Fatal(err)
	}
	address := runtimetest.Serve(t, "Protocols h2 http/1.1\n<VirtualHost *:*>\nServerName h2.test\nSSLEngine on\nSSLCertificateFile "+file+"\n"+more+"\n</VirtualHost>\n",
		append(core.Modules(), count, headers.Module, ptls.Module, http2.Module)...)
	tr := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "h2.test"}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second}, "https://" + address
}

func TestStreams(t *testing.T) {
	client, url := serve(t, "")
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			body := bytes.Repeat([]byte("x"), i*5000)
			req, _ := http.NewRequest("POST", url+"/count?x", bytes.NewReader(body))
			req.Host = "h2.test"
			res, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			got, _ := io.ReadAll(res.Body)
			if want := fmt.Sprintf("POST h2.test %d", len(body)); string(got) != want || res.ProtoMajor != 2 {
				t.Errorf("%s: got %q, want %q", res.Proto, got, want)
			}
			if res.Header.Get("Connection") != "" || len(res.Header["X-Two"]) != 2 || res.Header.Get("Date") == "" {
				t.Errorf("head %v", res.Header)
			}
		})
	}
	wg.Wait()
}

func TestHead(t *testing.T) {
	client, url := serve(t, "")
	res, err := client.Head(url + "/count")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 || res.ContentLength <= 0 {
		t.Errorf("%s, length %d", res.Status, res.ContentLength)
	}
}

func TestErrorsOfModules(t *testing.T) {
	client, url := serve(t, "LimitRequestBody 10")
	res, err := client.Post(url+"/count", "text/plain", strings.NewReader(strings.Repeat("x", 100)))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 413 {
		t.Errorf("a body over LimitRequestBody: %s", res.Status)
	}
	res, err = client.Get(url + "/missing")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 404 {
		t.Errorf("missing: %s", res.Status)
	}
	// An answer that is cut must look cut, and the connection go on.
	res, err = client.Get(url + "/cut")
	if err == nil {
		_, err = io.ReadAll(res.Body)
		res.Body.Close()
	}
	if err == nil {
		t.Error("a cut answer looked whole")
	}
}

func TestHTTP1BesideIt(t *testing.T) {
	client, url := serve(t, "")
	tr := client.Transport.(*http.Transport)
	tr.ForceAttemptHTTP2 = false
	tr.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	res, err := client.Get(url + "/count")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.ProtoMajor != 1 {
		t.Errorf("%s", res.Proto)
	}
}
