// Porcupine as a C library: one function that takes a history in plain arrays and tells whether it
// is linearizable. wrapper.h has the interface, models.go the objects.
//
// Limits of any Go library in another program: it does not survive fork, it cannot be unloaded, and
// a signal that arrives during a call is handled after it. That is why a process of its own loads
// this one.
package main

// #include "wrapper.h"
import "C"

import (
	"runtime"
	"runtime/debug"
	"time"
	"unsafe"

	"github.com/anishathalye/porcupine"
)

// porcupine_check decides one request. It keeps no pointer into the caller's memory.
//
//export porcupine_check
func porcupine_check(request *C.porcupine_request, result *C.porcupine_result) {
	*result = C.porcupine_result{verdict: C.PORCUPINE_MALFORMED}
	history, model, ok := readRequest(request)
	if !ok {
		return
	}
	if request.collect != 0 {
		runtime.GC()
	}
	timeout := time.Duration(request.timeout_ns)
	start := time.Now()
	verdict := porcupine.CheckOperationsTimeout(model, history, timeout)
	result.elapsed_ns = C.int64_t(time.Since(start))
	result.verdict = map[porcupine.CheckResult]C.int32_t{
		porcupine.Unknown: C.PORCUPINE_UNKNOWN,
		porcupine.Ok:      C.PORCUPINE_LEGAL,
		porcupine.Illegal: C.PORCUPINE_ILLEGAL,
	}[verdict]
}

// porcupine_interface tells which version of wrapper.h this library was built with.
//
//export porcupine_interface
func porcupine_interface() C.int32_t {
	return C.PORCUPINE_INTERFACE
}

// porcupine_versions writes "Porcupine's version, Go's version" as a C string, cut if it must be.
//
//export porcupine_versions
func porcupine_versions(buffer *C.char, size C.int32_t) {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/anishathalye/porcupine" {
				version = module.Version
			}
		}
	}
	room := unsafe.Slice((*byte)(unsafe.Pointer(buffer)), int(size))
	written := copy(room[:len(room)-1], version+" "+runtime.Version())
	room[written] = 0
}

// readRequest copies a request into Go's own memory; not ok if its arrays contradict each other.
func readRequest(request *C.porcupine_request) ([]porcupine.Operation, porcupine.Model, bool) {
	keys, isText := int(request.key_count), request.model == C.PORCUPINE_TEXT
	texts := readTexts(request)
	initial := int(request.initial)
	if isText && (initial < 0 || initial >= len(texts)) {
		return nil, porcupine.Model{}, false
	}
	operations := unsafe.Slice(request.operations, int(request.operation_count))
	history := make([]porcupine.Operation, len(operations))
	for number := range operations {
		from, to := &operations[number], &history[number]
		key, a := int(from.key), int(from.a)
		if key < 0 || key >= keys || from.called >= from.returned {
			return nil, porcupine.Model{}, false
		}
		to.Call, to.Return = int64(from.called), int64(from.returned)
		if !isText {
			to.Input = registerInput{
				key: key, function: uint8(from.function), outcome: uint8(from.outcome),
				a: a, b: int(from.b),
			}
			continue
		}
		if a < 0 || a >= len(texts) {
			return nil, porcupine.Model{}, false
		}
		to.Input = textInput{key: key, function: uint8(from.function), value: texts[a]}
	}
	if isText {
		return history, textModel(texts[initial], keys), true
	}
	return history, registerModel(initial, keys), true
}

func readTexts(request *C.porcupine_request) []string {
	count := int(request.text_count)
	if count == 0 {
		return nil
	}
	starts := unsafe.Slice(request.text_start, count+1)
	all := C.GoStringN(request.text, C.int(starts[count]))
	texts := make([]string, count)
	for number := range texts {
		texts[number] = all[starts[number]:starts[number+1]]
	}
	return texts
}

func main() {} // a C library needs one, and never calls it
