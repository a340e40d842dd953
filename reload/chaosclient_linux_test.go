package reload

import (
	"bufio"
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

func (c *chaosClient) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// ask sends one request and follows the session's cookie.
func (c *chaosClient) ask(id string) (o outcome) {
	if c.rng.IntN(6) == 0 {
		c.route = ""
	}
	o = outcome{id: id, method: "GET", route: c.route}
	fresh := c.rng.IntN(4) == 0
	if fresh {
		c.close()
	}
	defer func() {
		if o.err != nil {
			c.close()
		}
	}()
	if c.conn == nil {
		if c.conn, o.err = net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", c.w.port)); o.err != nil {
			c.conn = nil
			return o
		}
		c.br = bufio.NewReader(c.conn)
	}
	c.conn.SetDeadline(time.Now().Add(time.Minute))
	cookie, request := "", "GET / HTTP/1.1\r\n"
	if c.route != "" {
		cookie = "Cookie: ROUTEID=." + c.route + "\r\n"
	}
	body := ""
	if c.rng.IntN(4) == 0 {
		o.method, request, body = "POST", "POST / HTTP/1.1\r\nContent-Length: 5\r\n", "hello"
	}
	if _, o.err = fmt.Fprintf(c.conn, "%sHost: main.test\r\nX-Id: %s\r\n%s\r\n%s", request, id, cookie, body); o.err != nil {
		return o
	}
	res, err := http.ReadResponse(c.br, nil)
	if o.err = err; err != nil {
		return o
	}
	o.status, o.member = res.StatusCode, res.Header.Get("X-Member")
	for _, k := range res.Cookies() {
		if k.Name == "ROUTEID" {
			c.route = strings.TrimPrefix(k.Value, ".")
		}
	}
	_, o.err = io.Copy(io.Discard, res.Body)
	o.whole = o.err == nil
	if res.Close {
		c.close()
	}
	return o
}
