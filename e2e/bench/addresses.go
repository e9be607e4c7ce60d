package main

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
)

// addresses are those that requests come from, one after another, as customers have their own: the gateway limits the rate
// of each, and connections that are kept would all be of one.
type addresses struct {
	from []*http.Transport
	next atomic.Uint64
}

// loopback are 250 addresses of this machine.
func loopback(base *http.Transport) *addresses {
	a := &addresses{}
	for i := range 250 {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i))}}
		transport := base.Clone()
		transport.MaxIdleConnsPerHost = 64 // or the load is one of connecting
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		}
		a.from = append(a.from, transport)
	}
	return a
}

func (a *addresses) RoundTrip(r *http.Request) (*http.Response, error) {
	return a.from[a.next.Add(1)%uint64(len(a.from))].RoundTrip(r)
}
