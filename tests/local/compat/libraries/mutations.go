package main

import (
	"context"
	"encoding/json"

	v1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	mutating "k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
)

// What one mutation makes of the Deployment that was given last, as it is created. Defaults are not filled in.
func mutated() func(json.RawMessage) any {
	converter := applyconfigurations.NewTypeConverter(scheme.Scheme)
	var known *appsv1.Deployment
	return func(question json.RawMessage) any {
		var one struct {
			Mutation v1.Mutation
			Object   *appsv1.Deployment
		}
		read(question, &one)
		if one.Object != nil {
			known = one.Object
			return answer{}
		}
		object := known.DeepCopy()
		kind, resource := appsv1.SchemeGroupVersion.WithKind("Deployment"), appsv1.SchemeGroupVersion.WithResource("deployments")
		object.SetGroupVersionKind(kind)
		who := &user.DefaultInfo{Name: "lena"}
		attributes := admission.NewAttributesRecord(
			object, nil, kind, "default", object.Name, resource, "", admission.Create, &metav1.CreateOptions{}, false, who)
		request := mutating.Request{
			MatchedResource:     resource,
			VersionedAttributes: &admission.VersionedAttributes{Attributes: attributes, VersionedObject: object, VersionedKind: kind},
			ObjectInterfaces:    admission.NewObjectInterfacesFromScheme(scheme.Scheme),
			TypeConverter:       converter,
		}
		result, err := patcher(one.Mutation).Patch(context.Background(), request, 1_000_000)
		if err != nil {
			return answer{"error": err.Error()}
		}
		return answer{"result": result}
	}
}

func patcher(mutation v1.Mutation) mutating.Patcher {
	compiler, err := cel.NewCompositedCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
	if err != nil {
		panic(err)
	}
	compiled := func(expression cel.ExpressionAccessor) cel.MutatingEvaluator {
		sees := cel.OptionalVariableDeclarations{HasAuthorizer: true, HasPatchTypes: true}
		return compiler.CompileMutatingEvaluator(expression, sees, environment.StoredExpressions)
	}
	if mutation.PatchType == v1.PatchTypeJSONPatch {
		return mutating.NewJSONPatcher(compiled(&mutating.JSONPatchCondition{Expression: mutation.JSONPatch.Expression}))
	}
	return mutating.NewApplyConfigurationPatcher(compiled(&mutating.ApplyConfigurationCondition{Expression: mutation.ApplyConfiguration.Expression}))
}
