// Writes one object of each kind, every field of it set, as Go encodes it in protobuf and in JSON. objects.json.gz was
// made by it with version 0.37 of the modules: `go mod init samples && go mod tidy && go run . | gzip -9n`.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

type marshaler interface{ Marshal() ([]byte, error) }

var kinds = map[string]any{
	"admissionregistration.k8s.io/v1/MutatingWebhookConfiguration":   &admissionregistrationv1.MutatingWebhookConfiguration{},
	"admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration": &admissionregistrationv1.ValidatingWebhookConfiguration{},
	"apiextensions.k8s.io/v1/CustomResourceDefinition":               &apiextensionsv1.CustomResourceDefinition{},
	"apiregistration.k8s.io/v1/APIService":                           &apiregistrationv1.APIService{},
	"apps/v1/ControllerRevision":                                     &appsv1.ControllerRevision{},
	"apps/v1/DaemonSet":                                              &appsv1.DaemonSet{},
	"apps/v1/Deployment":                                             &appsv1.Deployment{},
	"apps/v1/StatefulSet":                                            &appsv1.StatefulSet{},
	"authentication.k8s.io/v1/TokenReview":                           &authenticationv1.TokenReview{},
	"authorization.k8s.io/v1/SubjectAccessReview":                    &authorizationv1.SubjectAccessReview{},
	"autoscaling/v1/HorizontalPodAutoscaler":                         &autoscalingv1.HorizontalPodAutoscaler{},
	"autoscaling/v2/HorizontalPodAutoscaler":                         &autoscalingv2.HorizontalPodAutoscaler{},
	"batch/v1/CronJob":                                               &batchv1.CronJob{},
	"certificates.k8s.io/v1/CertificateSigningRequest":               &certificatesv1.CertificateSigningRequest{},
	"coordination.k8s.io/v1/Lease":                                   &coordinationv1.Lease{},
	"v1/Endpoints":                                                   &corev1.Endpoints{},
	"v1/Event":                                                       &corev1.Event{},
	"v1/LimitRange":                                                  &corev1.LimitRange{},
	"v1/Namespace":                                                   &corev1.Namespace{},
	"v1/Node":                                                        &corev1.Node{},
	"v1/PersistentVolume":                                            &corev1.PersistentVolume{},
	"v1/PersistentVolumeClaim":                                       &corev1.PersistentVolumeClaim{},
	"v1/Pod":                                                         &corev1.Pod{},
	"v1/ResourceQuota":                                               &corev1.ResourceQuota{},
	"v1/Secret":                                                      &corev1.Secret{},
	"v1/ConfigMap":                                                   &corev1.ConfigMap{},
	"v1/Service":                                                     &corev1.Service{},
	"v1/ServiceAccount":                                              &corev1.ServiceAccount{},
	"discovery.k8s.io/v1/EndpointSlice":                              &discoveryv1.EndpointSlice{},
	"events.k8s.io/v1/Event":                                         &eventsv1.Event{},
	"networking.k8s.io/v1/Ingress":                                   &networkingv1.Ingress{},
	"networking.k8s.io/v1/IngressClass":                              &networkingv1.IngressClass{},
	"networking.k8s.io/v1/NetworkPolicy":                             &networkingv1.NetworkPolicy{},
	"policy/v1/PodDisruptionBudget":                                  &policyv1.PodDisruptionBudget{},
	"policy/v1/Eviction":                                             &policyv1.Eviction{},
	"rbac.authorization.k8s.io/v1/ClusterRole":                       &rbacv1.ClusterRole{},
	"rbac.authorization.k8s.io/v1/RoleBinding":                       &rbacv1.RoleBinding{},
	"scheduling.k8s.io/v1/PriorityClass":                             &schedulingv1.PriorityClass{},
	"storage.k8s.io/v1/CSIDriver":                                    &storagev1.CSIDriver{},
	"storage.k8s.io/v1/CSINode":                                      &storagev1.CSINode{},
	"storage.k8s.io/v1/StorageClass":                                 &storagev1.StorageClass{},
	"storage.k8s.io/v1/VolumeAttachment":                             &storagev1.VolumeAttachment{},
}

const schemaDepth = 2

func fill(v reflect.Value, name string, schemas int) {
	if v.Type() == reflect.TypeOf(metav1.TypeMeta{}) {
		return
	}
	switch target := v.Addr().Interface().(type) {
	case *metav1.Time:
		*target = metav1.Unix(1_700_000_000, 0)
		return
	case *metav1.MicroTime:
		*target = metav1.MicroTime(metav1.Unix(1_700_000_000, 123456000))
		return
	case *resource.Quantity:
		*target = resource.MustParse("1500m")
		return
	case *intstr.IntOrString:
		*target = intstr.FromString("25%")
		return
	case *runtime.RawExtension:
		target.Raw = []byte(`{"raw":1}`)
		return
	case *metav1.FieldsV1:
		target.Raw = []byte(`{"f:metadata":{}}`)
		return
	case *apiextensionsv1.JSON:
		target.Raw = []byte(`{"a":[1,"b",false]}`)
		return
	case *apiextensionsv1.JSONSchemaPropsOrBool:
		*target = apiextensionsv1.JSONSchemaPropsOrBool{Allows: true}
		return
	case *apiextensionsv1.JSONSchemaPropsOrArray:
		*target = apiextensionsv1.JSONSchemaPropsOrArray{Schema: &apiextensionsv1.JSONSchemaProps{Type: "string"}}
		return
	case *apiextensionsv1.JSONSchemaPropsOrStringArray:
		*target = apiextensionsv1.JSONSchemaPropsOrStringArray{Property: []string{"a", "b"}}
		return
	case *apiextensionsv1.JSONSchemaProps:
		schemas++
		if schemas > schemaDepth {
			target.Type = "object"
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), name, schemas)
	case reflect.Struct:
		for i := 0; i < v.NumField(); i++ {
			if field := v.Type().Field(i); field.IsExported() {
				fill(v.Field(i), strings.ToLower(field.Name), schemas)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte("\x00\xff"))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), name, schemas)
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value, name, schemas)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("k").Convert(v.Type().Key()), value)
	case reflect.String:
		v.SetString(name)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64, reflect.Int:
		v.SetInt(-7)
	case reflect.Float64:
		v.SetFloat(0.5)
	default:
		panic(fmt.Sprint(v.Type()))
	}
}

func main() {
	found := map[string]any{}
	for kind, object := range kinds {
		fill(reflect.ValueOf(object).Elem(), "", 0)
		binary, err := object.(marshaler).Marshal()
		if err != nil {
			panic(err)
		}
		found[kind] = map[string]any{"protobuf": binary, "json": object}
	}
	encoder := json.NewEncoder(os.Stdout)
	if err := encoder.Encode(found); err != nil {
		panic(err)
	}
}
