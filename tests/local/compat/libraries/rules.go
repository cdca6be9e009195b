package main

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/decls"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	schemacel "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apimachinery/pkg/util/version"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
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
		found := answer{}
		if cost, compiles := costOf(one.Schema.Properties["spec"]); one.Self != "" && compiles {
			found["cost"] = cost
		}
		for _, problem := range validation.ValidateCustomResourceDefinition(context.Background(), definition(one.Schema)) {
			errors = append(errors, selfType.ReplaceAllString(problem.Error(), "selfType"))
		}
		slices.Sort(errors)
		found["errors"] = errors
		return found
	}
}

// What the only rule of a schema costs at most, as a text: it may be more than a number of JSON holds.
func costOf(schema apiextensionsv1.JSONSchemaProps) (string, bool) {
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(&schema, &internal, nil); err != nil {
		panic(err)
	}
	structural, err := structuralschema.NewStructural(&internal)
	if err != nil {
		return "", false
	}
	declared := model.SchemaDeclType(structural, false)
	if declared == nil {
		return "", false
	}
	environments := environment.MustBaseEnvSet(version.MajorMinor(1, 36))
	results, err := schemacel.Compile(structural, declared, celconfig.PerCallLimit, environments, schemacel.NewExpressionsEnvLoader())
	if err != nil || len(results) != 1 || results[0].Error != nil || results[0].Program == nil {
		return "", false
	}
	return strconv.FormatUint(results[0].MaxCost, 10), true
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
