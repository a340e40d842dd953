package runtime

// Cond compiles an expression of <If>.
func (c *Cmd) Cond(text string) (func(*Request) bool, error) {
	return nil, c.Errorf("bad-expression", "expressions are not available in this build: %q", text)
}
