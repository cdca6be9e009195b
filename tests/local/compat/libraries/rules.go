package main

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/decls"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/cel/environment"
)

// The type of `self` is called after the time.
var selfType = regexp.MustCompile(`selfType[0-9]+`)

// What is wrong with the definition of a custom resource: one whose whole schema is given, or one whose spec has a
// schema that was given by name before, and a rule.
func checked() func(json.RawMessage) any {
	named := map[string]*apiextensionsv1.JSONSchemaProps{}
	return func(question json.RawMessage) any {
		var one struct {
			Name, Self string
			Schema     *apiextensionsv1.JSONSchemaProps
			Rule       apiextensionsv1.ValidationRule
		}
		read(question, &one)
		if one.Name != "" {
			named[one.Name] = one.Schema
			return answer{}
		}
		if one.Self != "" {
			spec := named[one.Self].DeepCopy()
			spec.XValidations = apiextensionsv1.ValidationRules{one.Rule}
			one.Schema = &apiextensionsv1.JSONSchemaProps{
				Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{"spec": *spec},
			}
		}
		errors := []string{}
		for _, found := range validation.ValidateCustomResourceDefinition(context.Background(), definition(one.Schema)) {
			errors = append(errors, selfType.ReplaceAllString(found.Error(), "selfType"))
		}
		slices.Sort(errors)
		return answer{"errors": errors}
	}
}

func definition(schema *apiextensionsv1.JSONSchemaProps) *apiextensions.CustomResourceDefinition {
	written := apiextensionsv1.CustomResourceDefinition{Spec: apiextensionsv1.CustomResourceDefinitionSpec{
		Group: "example.com",
		Scope: apiextensionsv1.ClusterScoped,
		Names: apiextensionsv1.CustomResourceDefinitionNames{
			Plural: "things", Singular: "thing", Kind: "Thing", ListKind: "ThingList",
		},
		Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
			Name: "v1", Served: true, Storage: true,
			Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: schema},
		}},
	}}
	written.Name = "things.example.com"
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&written.Spec)
	var found apiextensions.CustomResourceDefinition
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&written, &found, nil); err != nil {
		panic(err)
	}
	found.Status.StoredVersions = []string{"v1"}
	return &found
}

// Every function that an expression may call: a line for each way to call it.
func declared(json.RawMessage) any {
	functions := environment.MustBaseEnvSet(version.MajorMinor(1, 36)).NewExpressionsEnv().Functions()
	lines := []string{}
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		for _, overload := range functions[name].OverloadDecls() {
			lines = append(lines, name+" "+signature(overload))
		}
	}
	return lines
}

func signature(overload *decls.OverloadDecl) string {
	given := []string{}
	for _, one := range overload.ArgTypes() {
		given = append(given, cel.FormatCELType(one))
	}
	target := ""
	if overload.IsMemberFunction() {
		target, given = given[0]+".", given[1:]
	}
	return target + "(" + strings.Join(given, ", ") + ") -> " + cel.FormatCELType(overload.ResultType())
}
