// SPDX-License-Identifier: Apache-2.0

package jwekms_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The programs of README.md, and the one of the front page, are those of the examples, which run: line by
// line, without indentation.
func TestReadmeIsTheExamples(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return regexp.MustCompile(`(?m)^[ \t]+`).ReplaceAllString(string(text), "")
	}
	names, err := filepath.Glob("example*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	examples := ""
	for _, name := range names {
		examples += read(name)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read("../../README.md")+read("README.md"), -1)
	if len(blocks) < 8 {
		t.Errorf("%d programs", len(blocks))
	}
	for _, block := range blocks {
		if !strings.Contains(examples, block[1]) {
			t.Errorf("not in the examples:\n%s", block[1])
		}
	}
}
