//go:build !race

package proxyhttp

// maxAllocations is what a plain proxied request may allocate: four, and two for pools that a collection has just emptied.
const maxAllocations = 6
