//go:build real && !soak

package main

import "testing"

func forget(*testing.T) {}
