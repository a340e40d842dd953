package reload

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"
)

// chaosClient has a session at a time, and retries nothing.
type chaosClient struct {
	w     *world
	id    int
	rng   *rand.Rand
	route string
	conn  net.Conn
	br    *bufio.Reader
}

// speech is how a client speaks with pinion.
type speech int

const (
	plain speech = iota
	overTLS
	overHTTP2 // with others on the same connection
	speeches
)

func (c *chaosClient) speech() speech { return speech(c.id) % speeches }

// newHTTP2 speaks HTTP/2, and nothing else.
func newHTTP2() *http.Transport {
	t := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Protocols: new(http.Protocols)}
	t.Protocols.SetHTTP2(true)
	return t
}

func (w *world) dial(secure bool) (net.Conn, error) {
	if secure {
		return tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.secure), &tls.Config{InsecureSkipVerify: true, ServerName: "main.test"})
	}
	return net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.port))
}

// askOnce sends a request of a session over a connection of its own.
func (w *world) askOnce(route string) outcome {
	c := &chaosClient{w: w, route: route}
	defer c.close()
	o := outcome{id: "once", method: "GET", route: route}
	c.send(&o)
	return o
}

func (c *chaosClient) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// ask sends one request and follows the session's cookie.
func (c *chaosClient) ask(id string) outcome {
	if c.rng.IntN(6) == 0 {
		c.route = ""
	}
	if c.rng.IntN(4) == 0 {
		c.close()
	}
	o := outcome{id: id, method: "GET", route: c.route}
	if c.rng.IntN(4) == 0 {
		o.method = "POST"
	}
	c.send(&o)
	return o
}

func (c *chaosClient) send(o *outcome) {
	var res *http.Response
	if c.speech() == overHTTP2 {
		res, o.err = c.overHTTP2(o)
	} else {
		res, o.err = c.overHTTP1(o)
	}
	if o.err != nil {
		c.close()
		return
	}
	defer res.Body.Close()
	o.status, o.member = res.StatusCode, res.Header.Get("X-Member")
	for _, k := range res.Cookies() {
		if k.Name == "ROUTEID" {
			c.route = strings.TrimPrefix(k.Value, ".")
		}
	}
	_, o.err = io.Copy(io.Discard, res.Body)
	o.whole = o.err == nil
	if res.Close || !o.whole {
		c.close()
	}
}

func (c *chaosClient) overHTTP2(o *outcome) (*http.Response, error) {
	var body io.Reader
	if o.method == "POST" {
		body = strings.NewReader("hello")
	}
	req, err := http.NewRequest(o.method, fmt.Sprintf("https://127.0.0.1:%d/", c.w.secure), body)
	if err != nil {
		return nil, err
	}
	req.Host = "main.test"
	req.Header.Set("X-Id", o.id)
	if o.route != "" {
		req.Header.Set("Cookie", "ROUTEID=."+o.route)
	}
	return c.w.h2.RoundTrip(req)
}

func (c *chaosClient) overHTTP1(o *outcome) (res *http.Response, err error) {
	if c.conn == nil {
		conn, err := c.w.dial(c.speech() == overTLS)
		if err != nil {
			return nil, err
		}
		c.conn, c.br = conn, bufio.NewReader(conn)
	}
	c.conn.SetDeadline(time.Now().Add(time.Minute))
	var request strings.Builder
	fmt.Fprintf(&request, "%s / HTTP/1.1\r\nHost: main.test\r\nX-Id: %s\r\n", o.method, o.id)
	if o.route != "" {
		fmt.Fprintf(&request, "Cookie: ROUTEID=.%s\r\n", o.route)
	}
	if o.method == "POST" {
		request.WriteString("Content-Length: 5\r\n\r\nhello")
	} else {
		request.WriteString("\r\n")
	}
	if _, err := io.WriteString(c.conn, request.String()); err != nil {
		return nil, err
	}
	return http.ReadResponse(c.br, nil)
}
