//go:build real && soak

package main

func init() { soaking = true }
