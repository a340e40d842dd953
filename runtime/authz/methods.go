package authz

import "pinion/runtime"

// methods is what a <Limit> or <LimitExcept> around a directive names. The zero methods is every method.
type methods struct {
	names  map[string]bool
	except bool
}

func methodsOf(c *runtime.Cmd) methods {
	if c.Methods == nil {
		return methods{}
	}
	m := methods{names: map[string]bool{}, except: c.Except}
	for _, n := range c.Methods {
		m.names[canonical(n)] = true
	}
	return m
}

// canonical takes HEAD for GET, as httpd does wherever methods are told apart.
func canonical(method string) string {
	if method == "HEAD" {
		return "GET"
	}
	return method
}

func (m *methods) has(method string) bool {
	return m.names == nil || m.names[canonical(method)] != m.except
}
