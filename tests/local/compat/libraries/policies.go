package main

import (
	"context"
	"encoding/json"

	v1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/generic"
	"k8s.io/apiserver/pkg/admission/plugin/policy/matching"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/client-go/kubernetes/scheme"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// A request about a ConfigMap in the namespace `default`, by a user who may get pods and nothing else. The policy is
// bound once, by `binding`; `params` are ConfigMaps of that namespace.
type asked struct {
	Policy    v1.ValidatingAdmissionPolicySpec
	Binding   v1.ValidatingAdmissionPolicyBindingSpec
	Object    *corev1.ConfigMap
	OldObject *corev1.ConfigMap
	Params    []corev1.ConfigMap
	Namespace corev1.Namespace
}

func decided(question json.RawMessage) any {
	var one asked
	read(question, &one)
	warnings := warned{}
	ctx := warning.WithWarningRecorder(context.Background(), &warnings)
	dispatcher := validating.NewDispatcher(onlyPods{}, generic.NewPolicyMatcher(matching.NewMatcher(one.namespaces(), nil)))
	err := dispatcher.Dispatch(ctx, one.attributes(), admission.NewObjectInterfacesFromScheme(scheme.Scheme), one.hooks())
	result := answer{"warnings": warnings.texts}
	if refused, is := err.(*errors.StatusError); is {
		status := refused.Status()
		result["code"], result["reason"], result["message"] = status.Code, status.Reason, status.Message
	} else if err != nil {
		panic(err)
	}
	return result
}

func (one *asked) namespaces() listers.NamespaceLister {
	known := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	one.Namespace.Name = "default"
	if err := known.Add(&one.Namespace); err != nil {
		panic(err)
	}
	return listers.NewNamespaceLister(known)
}

func (one *asked) attributes() admission.Attributes {
	kind, resource := corev1.SchemeGroupVersion.WithKind("ConfigMap"), corev1.SchemeGroupVersion.WithResource("configmaps")
	operation := admission.Update
	var object, old runtime.Object
	name := ""
	if one.Object != nil {
		object, name = one.Object, one.Object.Name
	} else {
		operation = admission.Delete
	}
	if one.OldObject != nil {
		old, name = one.OldObject, one.OldObject.Name
	} else {
		operation = admission.Create
	}
	who := &user.DefaultInfo{Name: "lena", Groups: []string{"devs"}}
	return admission.NewAttributesRecord(object, old, kind, "default", name, resource, "", operation, nil, false, who)
}

func (one *asked) hooks() []validating.PolicyHook {
	spec := &one.Policy
	policy := &v1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: *spec}
	binding := &v1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: "b"}, Spec: one.Binding}
	return []validating.PolicyHook{{
		Policy:        policy,
		Bindings:      []*v1.ValidatingAdmissionPolicyBinding{binding},
		ParamInformer: one.parameters(),
		ParamScope:    meta.RESTScopeNamespace,
		Evaluator:     evaluator(spec),
	}}
}

func evaluator(spec *v1.ValidatingAdmissionPolicySpec) validating.Validator {
	compiler, err := cel.NewCompositedCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
	if err != nil {
		panic(err)
	}
	sees := cel.OptionalVariableDeclarations{HasParams: spec.ParamKind != nil, HasAuthorizer: true}
	sayable := cel.OptionalVariableDeclarations{HasParams: spec.ParamKind != nil}
	for i := range spec.Variables {
		variable := validating.Variable{Name: spec.Variables[i].Name, Expression: spec.Variables[i].Expression}
		compiler.CompileAndStoreVariable(&variable, sees, environment.StoredExpressions)
	}
	compiled := func(all []cel.ExpressionAccessor, sees cel.OptionalVariableDeclarations) cel.ConditionEvaluator {
		return compiler.CompileCondition(all, sees, environment.StoredExpressions)
	}
	var conditions, validations, messages, annotations []cel.ExpressionAccessor
	for i := range spec.MatchConditions {
		conditions = append(conditions, (*matchconditions.MatchCondition)(&spec.MatchConditions[i]))
	}
	for _, validation := range spec.Validations {
		condition := validating.ValidationCondition{Expression: validation.Expression, Message: validation.Message, Reason: validation.Reason}
		validations = append(validations, &condition)
		if validation.MessageExpression == "" {
			messages = append(messages, nil)
		} else {
			messages = append(messages, &validating.MessageExpressionCondition{MessageExpression: validation.MessageExpression})
		}
	}
	for _, annotation := range spec.AuditAnnotations {
		condition := validating.AuditAnnotationCondition{Key: annotation.Key, ValueExpression: annotation.ValueExpression}
		annotations = append(annotations, &condition)
	}
	var matcher matchconditions.Matcher
	if len(conditions) > 0 {
		matcher = matchconditions.NewMatcher(compiled(conditions, sees), spec.FailurePolicy, "policy", "validate", "p")
	}
	return validating.NewValidator(compiled(validations, sees), matcher, compiled(annotations, sees), compiled(messages, sayable), spec.FailurePolicy, nil)
}

// Parameters that are known already.
type parameters struct {
	cache.SharedIndexInformer
	known cache.Indexer
}

func (one *asked) parameters() *parameters {
	known := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	for i := range one.Params {
		one.Params[i].Namespace = "default"
		if err := known.Add(&one.Params[i]); err != nil {
			panic(err)
		}
	}
	return &parameters{known: known}
}

func (p *parameters) Informer() cache.SharedIndexInformer { return p }
func (p *parameters) HasSynced() bool                     { return true }
func (p *parameters) Lister() cache.GenericLister {
	return cache.NewGenericLister(p.known, corev1.Resource("configmaps"))
}

type warned struct{ texts []string }

func (w *warned) AddWarning(_, text string) { w.texts = append(w.texts, text) }

type onlyPods struct{}

func (onlyPods) Authorize(_ context.Context, asked authorizer.Attributes) (authorizer.Decision, string, error) {
	if asked.GetUser().GetName() == "lena" && asked.GetResource() == "pods" && asked.GetVerb() == "get" {
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}
