package main

import (
	"encoding/json"

	v1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	kinds "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/cel/openapi/resolver"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

var thing = kinds.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Thing"}

type onlyThings struct{ known *spec.Schema }

func (one onlyThings) ResolveSchema(kind kinds.GroupVersionKind) (*spec.Schema, error) {
	if kind == thing {
		return one.known, nil
	}
	return nil, resolver.ErrSchemaNotFound
}

// What the status of a policy says of its expressions. The only kind is Thing of example.com/v1, with the schema that was
// given last.
func warnedOf() func(json.RawMessage) any {
	mapper := meta.NewDefaultRESTMapper([]kinds.GroupVersion{thing.GroupVersion()})
	mapper.Add(thing, meta.RESTScopeNamespace)
	var known *spec.Schema
	return func(question json.RawMessage) any {
		var one struct {
			Schema *spec.Schema
			Policy v1.ValidatingAdmissionPolicySpec
		}
		read(question, &one)
		if one.Schema != nil {
			known = one.Schema
			return answer{}
		}
		checker := validating.TypeChecker{SchemaResolver: onlyThings{known}, RestMapper: mapper}
		return answer{"warnings": checker.Check(&v1.ValidatingAdmissionPolicy{Spec: one.Policy})}
	}
}
