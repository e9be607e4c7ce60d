//go:build !linux

// Command stack runs the shop on one Linux machine without containers.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "stack: needs Linux; `make up` runs the same system in Docker")
	os.Exit(1)
}
