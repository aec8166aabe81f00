//go:build soak

package main

import "testing"

func forget(t *testing.T) { t.Setenv("GOCACHE", t.TempDir()) }
