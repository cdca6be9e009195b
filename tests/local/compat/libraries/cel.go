package main

import (
	"encoding/json"
	"fmt"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/cel/environment"
)

// Expressions of rules, in the environment that Kubernetes 1.36 has for custom resources; `self` is an empty object.
func evaluated() func(json.RawMessage) any {
	self := environment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 0),
		EnvOptions:        []cel.EnvOption{cel.Variable("self", cel.DynType)},
	}
	set, err := environment.MustBaseEnvSet(version.MajorMinor(1, 36)).Extend(self)
	if err != nil {
		panic(err)
	}
	env := set.NewExpressionsEnv()
	return func(question json.RawMessage) any {
		var one struct{ Expression string }
		read(question, &one)
		ast, issues := env.Compile(one.Expression)
		if issues != nil && issues.Err() != nil {
			return answer{"fault": issues.String()}
		}
		program, err := env.Program(ast)
		if err != nil {
			return answer{"fault": err.Error()}
		}
		value, _, err := program.Eval(map[string]any{"self": map[string]any{}})
		if err != nil {
			return answer{"fails": true}
		}
		return answer{"type": value.Type().TypeName(), "value": fmt.Sprint(value.Value())}
	}
}
