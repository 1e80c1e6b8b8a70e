package main

// The sequential objects, as Porcupine models.
//
// All of an operation is in its input, its answer included, because the recorded history has both;
// outputs stay nil. Every key is an object of its own, so histories are partitioned by key, and a
// state is that of one object.

import (
	"hash/maphash"

	"github.com/anishathalye/porcupine"
)

// What an operation does, and what is known of its outcome; wrapper.h has the same numbers.
const (
	read   = 0
	write  = 1
	update = 2 // compare-and-set of a register, append to a text

	returned = 0
	rejected = 1 // a compare-and-set that saw another value than it compared with
	open     = 2 // it may take effect at any later time, or never
)

type registerInput struct {
	key      int
	function uint8
	outcome  uint8
	a, b     int // read a; write a; compare with a and set b
}

// A register with read, write and compare-and-set. Without a hash of the state: the set of
// operations tells nearly all configurations apart, and Porcupine is not slower for it.
func registerModel(initial, keys int) porcupine.Model {
	return porcupine.Model{
		Partition: partitionBy(keys, func(input interface{}) int { return input.(registerInput).key }),
		Init:      func() interface{} { return initial },
		Step: func(state, input, _ interface{}) (bool, interface{}) {
			value, in := state.(int), input.(registerInput)
			switch {
			case in.function == read:
				return value == in.a, state
			case in.function == write:
				return true, in.a
			case in.outcome == rejected:
				return value != in.a, state
			case value == in.a:
				return true, in.b
			default:
				// An open one may have been compared and have changed nothing.
				return in.outcome == open, state
			}
		},
	}
}

type textInput struct {
	key      int
	function uint8
	value    string // read this; write it; append it
}

// A text with get, put and append. Many orders of appends lead to as many states with the same
// set of operations, so the state is hashed too.
func textModel(initial string, keys int) porcupine.Model {
	seed := maphash.MakeSeed()
	return porcupine.Model{
		Partition: partitionBy(keys, func(input interface{}) int { return input.(textInput).key }),
		Init:      func() interface{} { return initial },
		Step: func(state, input, _ interface{}) (bool, interface{}) {
			in := input.(textInput)
			switch in.function {
			case read:
				return state.(string) == in.value, state
			case write:
				return true, in.value
			default:
				return true, state.(string) + in.value
			}
		},
		Hash: func(state interface{}) uint64 { return maphash.String(seed, state.(string)) },
	}
}

// partitionBy splits a history into one for each of the keys 0 to keys-1 that occurs.
func partitionBy(keys int, keyOf func(interface{}) int) func([]porcupine.Operation) [][]porcupine.Operation {
	return func(history []porcupine.Operation) [][]porcupine.Operation {
		if keys == 1 {
			return [][]porcupine.Operation{history}
		}
		byKey := make([][]porcupine.Operation, keys)
		for _, operation := range history {
			key := keyOf(operation.Input)
			byKey[key] = append(byKey[key], operation)
		}
		var parts [][]porcupine.Operation
		for _, part := range byKey {
			if len(part) > 0 {
				parts = append(parts, part)
			}
		}
		return parts
	}
}
