// Answers what Kubernetes' own libraries make of patches, applied configurations, expressions, rules and policies.
//
// Reads one JSON value after the other, writes one line for each. `python -m tests.local.compat.libraries` asks.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

type answer = map[string]any

func main() {
	answers := map[string]func(json.RawMessage) any{
		"applies": applies, "cel": evaluated(), "declarations": declared, "mutations": mutated(), "patches": patched,
		"policies": decided, "rules": checked(), "warnings": warnedOf(),
	}[os.Args[1]]
	questions := json.NewDecoder(bufio.NewReader(os.Stdin))
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for {
		var question json.RawMessage
		if err := questions.Decode(&question); err == io.EOF {
			return
		} else if err != nil {
			panic(err)
		}
		text, err := json.Marshal(answers(question))
		if err != nil {
			panic(err)
		}
		fmt.Fprintln(out, string(text))
	}
}

func read(question json.RawMessage, into any) {
	if err := json.Unmarshal(question, into); err != nil {
		panic(err)
	}
}
