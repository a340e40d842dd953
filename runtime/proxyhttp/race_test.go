//go:build race

package proxyhttp

// maxAllocations: under the race detector a sync.Pool forgets at random.
const maxAllocations = 20
