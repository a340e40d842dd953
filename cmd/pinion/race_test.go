//go:build race

package main

// raced: the race detector takes memory of its own for each goroutine, so none is measured.
const raced = true
