package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// self is what this test is made of: a program in Go that links cobra.
func self(t *testing.T) makeup {
	t.Helper()
	file, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m, err := read([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestBOM: every module has its line, what depends on what is there, and the same
// programs make the same bytes.
func TestBOM(t *testing.T) {
	t.Parallel()
	m := self(t)
	data, err := m.bom("1.2.3", "1767634200")
	if err != nil {
		t.Fatal(err)
	}
	again, err := self(t).bom("1.2.3", "1767634200")
	if err != nil || string(again) != string(data) {
		t.Errorf("the same program makes another list: %v", err)
	}
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	if d.Metadata.Timestamp != "2026-01-05T17:30:00Z" || d.Metadata.Component.Version != "1.2.3" {
		t.Errorf("%+v", d.Metadata)
	}
	refs := map[string]bool{d.Metadata.Component.Ref: true}
	for _, c := range d.Components {
		if c.Ref == "" || refs[c.Ref] {
			t.Errorf("reference %q is empty or twice there", c.Ref)
		}
		refs[c.Ref] = true
	}
	if len(d.Dependencies) != 2 {
		t.Fatalf("%+v", d.Dependencies)
	}
	for _, dep := range d.Dependencies {
		for _, on := range append([]string{dep.Ref}, dep.DependsOn...) {
			if !refs[on] {
				t.Errorf("%s is referred to and not there", on)
			}
		}
	}
	for _, want := range []string{"pkg:golang/github.com/spf13/cobra@v", "pkg:golang/std@1."} {
		if !slices.ContainsFunc(d.Dependencies[1].DependsOn, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("no %s… in %q", want, d.Dependencies[1].DependsOn)
		}
	}
	if _, err := m.bom("1", "yesterday"); err == nil {
		t.Error("a time that is none was taken")
	}
}

func TestPurl(t *testing.T) {
	t.Parallel()
	if got := (module{path: "github.com/docker/docker", version: "v28.5.1+incompatible"}).purl(); got != "pkg:golang/github.com/docker/docker@v28.5.1%2Bincompatible" {
		t.Error(got)
	}
	if got := escape("github.com/BurntSushi/toml"); got != "github.com/!burnt!sushi/toml" {
		t.Error(got)
	}
}

// TestLicenses: the terms of Go and of the modules go along; where one has none, that
// is an error and not left out.
func TestLicenses(t *testing.T) {
	t.Parallel()
	m := self(t)
	text, err := m.licenses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n==== std 1.", "\n==== github.com/spf13/cobra v", "Redistribution and use in source and binary forms", "Apache License"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in it", want)
		}
	}
	m.programs[0].modules = append(m.programs[0].modules, module{path: "example.org/none", version: "v1.0.0"})
	if _, err := m.licenses(t.Context()); err == nil || !strings.Contains(err.Error(), "example.org/none") {
		t.Errorf("a module that cannot be found was left out: %v", err)
	}
}

func TestReadsProgramsOnly(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := read([]string{file}); err == nil || !strings.Contains(err.Error(), file) {
		t.Error(err)
	}
}
