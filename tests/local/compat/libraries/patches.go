package main

import (
	"encoding/json"
	"fmt"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

type patch struct{ Type, Object, Patch json.RawMessage }

// A patch of each format that the API server takes; strategic ones are of Deployments.
func patched(question json.RawMessage) any {
	var one patch
	read(question, &one)
	result, err := one.result()
	if err != nil {
		return answer{"refused": true}
	}
	return answer{"result": json.RawMessage(result)}
}

// A panic of the library is answered 500 by the API server.
func (one patch) result() (result []byte, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("panic: %v", problem)
		}
	}()
	switch string(one.Type) {
	case `"json"`:
		operations, err := jsonpatch.DecodePatch(one.Patch)
		if err != nil {
			return nil, err
		}
		return operations.Apply(one.Object)
	case `"merge"`:
		return jsonpatch.MergePatch(one.Object, one.Patch)
	default:
		return strategicpatch.StrategicMergePatch(one.Object, one.Patch, appsv1.Deployment{})
	}
}
