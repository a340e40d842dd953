package reload

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"
)

const chaosTunnels = 3

// chaosTunnel is a WebSocket that lives until its member dies or pinion stops, whatever else happens.
type chaosTunnel struct {
	member int
	conn   net.Conn
	br     *bufio.Reader
	sent   int64 // bytes, each way
}

// tunnel opens a WebSocket by chance, as a session of a member that takes it.
func (w *world) tunnel() {
	i := w.rng.IntN(fileMembers)
	if len(w.tunnels) == chaosTunnels || !w.sure[i] || w.rng.IntN(2) == 0 {
		return
	}
	c, err := w.dial(w.rng.IntN(2) == 0)
	if err != nil {
		w.t.Error(err)
		return
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(c, "GET /ws HTTP/1.1\r\nHost: main.test\r\nCookie: ROUTEID=.%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", w.members[i].route)
	x := &chaosTunnel{member: i, conn: c, br: bufio.NewReader(c)}
	res, err := http.ReadResponse(x.br, nil)
	if err != nil || res.StatusCode != 101 || res.Header.Get("X-Member") != w.members[i].route {
		w.t.Errorf("expected a tunnel to %s, found %v, %+v", w.members[i].route, err, res)
		c.Close()
		return
	}
	w.tunnels = append(w.tunnels, x)
	w.total.tunnels++
	x.echo(w.t)
	w.remember()
}

func (x *chaosTunnel) echo(t *testing.T) {
	const text = "still here\n"
	x.conn.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(x.conn, text)
	x.sent += int64(len(text))
	b := make([]byte, len(text))
	if _, err := io.ReadFull(x.br, b); err != nil || string(b) != text {
		t.Errorf("sent %q through the tunnel to m%d, got %q, %v", text, x.member, b, err)
	}
}

// ended waits for the end of the tunnel.
func (x *chaosTunnel) ended(t *testing.T) {
	defer x.conn.Close()
	x.conn.SetDeadline(time.Now().Add(20 * time.Second))
	if n, err := x.br.Read(make([]byte, 1)); n != 0 || err == nil || os.IsTimeout(err) {
		t.Errorf("the tunnel to m%d: read %d bytes, %v; expected its end", x.member, n, err)
	}
}

// tunnelsAtRest holds that those of members that have died are gone, and all others are there.
func (w *world) tunnelsAtRest() {
	w.tunnels = slices.DeleteFunc(w.tunnels, func(x *chaosTunnel) bool {
		if w.died[x.member] {
			x.ended(w.t)
			return true
		}
		x.echo(w.t)
		return false
	})
}

func (w *world) tunnelsTo(i int) (n int64) {
	for _, x := range w.tunnels {
		if x.member == i {
			n++
		}
	}
	return n
}

// hangUp closes the clients' connections, but for the tunnels that pinion is to end.
func (w *world) hangUp() {
	for _, c := range w.clients {
		c.close()
	}
	w.api.CloseIdleConnections()
	w.h2.CloseIdleConnections()
}
