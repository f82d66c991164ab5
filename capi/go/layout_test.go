// SPDX-License-Identifier: Apache-2.0

package jwekms

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

var mirrored = map[string]any{
	"jwekms_error":              cError{},
	"jwekms_hsm_slot":           cHSMSlot{},
	"jwekms_hsm_options":        cHSMOptions{},
	"jwekms_audit_event":        cAuditEvent{},
	"jwekms_open_options":       cOpenOptions{},
	"jwekms_decrypt_options":    cDecryptOptions{},
	"jwekms_encrypt_options":    cEncryptOptions{},
	"jwekms_create_key_options": cCreateKeyOptions{},
	"jwekms_import_key_options": cImportKeyOptions{},
	"jwekms_unwrap_key_options": cUnwrapKeyOptions{},
	"jwekms_list_keys_options":  cListKeysOptions{},
	"jwekms_finding":            cFinding{},
	"jwekms_provider":           cProvider{},
	"jwekms_provided_key":       cProvidedKey{},
	"jwekms_provided_cek":       cProvidedCEK{},
	"jwekms_sealed_content":     cSealedContent{},
	"jwekms_sealing":            cSealing{},
}

var upper = regexp.MustCompile(`[A-Z]+`)

// member is the name in C of a field in Go.
func member(field reflect.StructField) string {
	if name := field.Tag.Get("c"); name != "" {
		return name
	}
	return strings.ToLower(upper.ReplaceAllString(field.Name, "_$0"))
}

// members are those that one field of Go stands for.
func members(field reflect.StructField) []string {
	name := member(field)
	switch field.Type {
	case reflect.TypeOf(span{}), reflect.TypeOf(cText{}):
		return []string{name, name + "_len"}
	case reflect.TypeOf(spans{}):
		one := strings.TrimSuffix(strings.Replace(name, "aliases", "aliass", 1), "s")
		return []string{name, one + "_lens", one + "_count"}
	}
	return []string{name}
}

// What Go believes of the structs is what a C compiler makes of the headers.
func TestLayout(t *testing.T) {
	believed := map[string]bool{}
	program := "#include <stddef.h>\n#include <stdio.h>\n#include \"jwekms_provider.h\"\nint main(void) {\n"
	believe := func(expression string, value uintptr) {
		believed[fmt.Sprint(expression, " ", value)] = true
		program += fmt.Sprintf("printf(\"%s %%zu\\n\", %s);\n", expression, expression)
	}
	for name, mirror := range mirrored {
		kind := reflect.TypeOf(mirror)
		believe("sizeof("+name+")", kind.Size())
		for i := 0; i < kind.NumField(); i++ {
			field := kind.Field(i)
			for word, c := range members(field) {
				believe("offsetof("+name+","+c+")", field.Offset+uintptr(word)*8)
			}
		}
	}
	program += "}\n"

	source, compiled := filepath.Join(t.TempDir(), "layout.c"), filepath.Join(t.TempDir(), "layout")
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	if output, err := exec.Command("cc", "-I..", "-o", compiled, source).CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, output)
	}
	output, err := exec.Command(compiled).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(output)), "\n") {
		if !believed[line] {
			t.Errorf("C has %s", line)
		}
		delete(believed, line)
	}
	for line := range believed {
		t.Errorf("Go has %s", line)
	}
}

// A function that comes to the C ABI comes to this package, or stands here.
func TestNoFunctionIsForgotten(t *testing.T) {
	known := map[string]bool{"jwekms_version_number": true} // the text says the same
	for _, name := range functionNames {
		known[name] = true
	}
	symbols, err := os.Open("../jwekms.symbols")
	if err != nil {
		t.Fatal(err)
	}
	defer symbols.Close()
	count := 0
	for lines := bufio.NewScanner(symbols); lines.Scan(); count++ {
		if !known[lines.Text()] {
			t.Errorf("%q is not called from here", lines.Text())
		}
	}
	if count < len(known) {
		t.Errorf("%d symbols, %d are called", count, len(known))
	}
}

func TestCodesAreTheLibrarys(t *testing.T) {
	if err := loadDefault(); err != nil {
		t.Fatal(err)
	}
	for code := ErrBadRequest; code <= ErrBufferTooSmall; code++ {
		name := text(call(fnStatusName, uintptr(code)))
		http := int(int32(call(fnStatusHTTP, uintptr(code))))
		if code.String() != name || code.HTTPStatus() != http {
			t.Errorf("%d: %s %d, the library has %s %d", code, code, code.HTTPStatus(), name, http)
		}
	}
	beyond := ErrBufferTooSmall + 1
	if name := text(call(fnStatusName, uintptr(beyond))); name != "internal_error" || beyond.String() != name {
		t.Errorf("the library has a code more: %s", name)
	}
}
