package runtime

import (
	"sync/atomic"
)

// Engine serves connections with whatever Graph is current. Safe for concurrent use.
type Engine struct {
	graph    atomic.Pointer[Graph]
	stopping atomic.Bool
	connID   atomic.Uint64
}

// NewEngine returns an engine that serves g.
func NewEngine(g *Graph) *Engine {
	e := &Engine{}
	e.graph.Store(g)
	return e
}

// Swap makes g the graph of every request from now on. The old one lives until its last request has ended.
func (e *Engine) Swap(g *Graph) {
	if old := e.graph.Swap(g); old != nil && old != g {
		old.Retire()
	}
}

// Graph returns the current graph, for reports. It may be retired the next moment.
func (e *Engine) Graph() *Graph { return e.graph.Load() }
