// SPDX-License-Identifier: Apache-2.0

package jwekms

import "unsafe"

// What C sees of Go's memory. C keeps nothing after a call, and Go's collector does not move what is
// on the heap; that it is on the heap and stays there is seen to by //go:uintptrescapes for what is
// named in a call, and by typed pointers for what hangs on that.

// span is `const char* x; size_t x_len;`, two members of a struct of C.
type span struct {
	data   *byte
	length uintptr
}

func spanOf(s string) span { return span{stringData(s), uintptr(len(s))} }

func bytesOf(b []byte) span { return span{bytesData(b), uintptr(len(b))} }

// spans is `const char* const* x; const size_t* x_lens; size_t x_count;`.
type spans struct {
	data    **byte
	lengths *uintptr
	count   uintptr
}

func spansOf(list []string) spans {
	if len(list) == 0 {
		return spans{}
	}
	data, lengths := make([]*byte, len(list)), make([]uintptr, len(list))
	for i, s := range list {
		data[i], lengths[i] = stringData(s), uintptr(len(s))
	}
	return spans{&data[0], &lengths[0], uintptr(len(list))}
}

func stringData(s string) *byte {
	if s == "" {
		return nil
	}
	return *(**byte)(unsafe.Pointer(&s))
}

func bytesData(b []byte) *byte {
	if len(b) == 0 {
		return nil
	}
	return &b[0]
}

// stringOf makes a string of bytes that nobody else has, without a copy.
func stringOf(b []byte) string { return *(*string)(unsafe.Pointer(&b)) }

// What Go sees of C's memory, which is copied at once.

func pointer(c uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&c)) }

// text copies a NUL-terminated string.
func text(c uintptr) string {
	if c == 0 {
		return ""
	}
	length := 0
	for *(*byte)(unsafe.Add(pointer(c), length)) != 0 {
		length++
	}
	return textOf(c, uintptr(length))
}

func textOf(c, length uintptr) string { return string(view(c, length)) }

// view is C's memory itself.
func view(c, length uintptr) []byte {
	if length == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(pointer(c)), length)
}

// textIn and bytesIn copy what a function gives that returns a pointer into a handle, and the length
// in its last argument.
func textIn(fn function, in ...uintptr) string {
	length := new(uintptr)
	data := callWith(fn, in, uintptr(unsafe.Pointer(length)))
	return textOf(data, *length)
}

func bytesIn(fn function, in ...uintptr) []byte {
	length := new(uintptr)
	data := callWith(fn, in, uintptr(unsafe.Pointer(length)))
	return append([]byte(nil), view(data, *length)...)
}
