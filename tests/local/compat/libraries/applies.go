package main

import (
	"encoding/json"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/merge"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// The one of tests/local/unit/apiserver_models/test_field_owners.py.
const schema = `types:
- name: root
  map:
    fields:
    - name: spec
      type: {namedType: spec}
- name: spec
  map:
    fields:
    - {name: a, type: {scalar: string}}
    - name: labels
      type: {map: {elementType: {scalar: string}}}
    - name: frozen
      type:
        map:
          elementRelationship: atomic
          fields:
          - {name: x, type: {scalar: string}}
          - {name: "y", type: {scalar: string}}
    - name: ordered
      type: {list: {elementType: {scalar: string}, elementRelationship: atomic}}
    - name: set
      type: {list: {elementType: {scalar: string}, elementRelationship: associative}}
    - name: items
      type: {list: {elementType: {namedType: item}, elementRelationship: associative, keys: [name]}}
    - name: ports
      type: {list: {elementType: {namedType: port}, elementRelationship: associative, keys: [port, protocol]}}
    - name: nested
      type:
        map:
          fields:
          - {name: c, type: {scalar: string}}
          - {name: d, type: {scalar: string}}
    - name: named
      type: {map: {elementType: {namedType: xy}}}
- name: xy
  map:
    fields:
    - {name: x, type: {scalar: string}}
    - {name: "y", type: {scalar: string}}
- name: item
  map:
    fields:
    - {name: name, type: {scalar: string}}
    - {name: v, type: {scalar: string}}
    - name: inner
      type: {map: {elementType: {scalar: string}}}
    - name: tags
      type: {list: {elementType: {scalar: string}, elementRelationship: associative}}
- name: port
  map:
    fields:
    - {name: port, type: {scalar: numeric}}
    - {name: protocol, type: {scalar: string}, default: TCP}
    - {name: name, type: {scalar: string}}
`

type sameVersion struct{}

func (sameVersion) Convert(o *typed.TypedValue, _ fieldpath.APIVersion) (*typed.TypedValue, error) {
	return o, nil
}
func (sameVersion) IsMissingVersionError(error) bool { return false }

// Without `force` it is an update.
type step struct {
	Manager string
	Spec    map[string]any
	Force   *bool
}

type history struct {
	updater  *merge.Updater
	live     *typed.TypedValue
	managers fieldpath.ManagedFields
}

// One manager after the other applies or updates the same object.
func applies(question json.RawMessage) any {
	var steps []step
	read(question, &steps)
	parser, err := typed.NewParser(schema)
	if err != nil {
		panic(err)
	}
	kind := parser.Type("root")
	live, err := kind.FromUnstructured(map[string]any{})
	if err != nil {
		panic(err)
	}
	object := history{(&merge.UpdaterBuilder{Converter: sameVersion{}}).BuildUpdater(), live, fieldpath.ManagedFields{}}
	answers := []answer{}
	for _, one := range steps {
		sent, err := kind.FromUnstructured(map[string]any{"spec": one.Spec})
		if err != nil {
			panic(err)
		}
		answers = append(answers, object.after(one, sent))
	}
	return answers
}

func (object *history) after(one step, sent *typed.TypedValue) answer {
	var live *typed.TypedValue
	var managers fieldpath.ManagedFields
	var err error
	if one.Force == nil {
		live, managers, err = object.updater.Update(object.live, sent, "v1", object.managers, one.Manager)
	} else {
		live, managers, err = object.updater.Apply(object.live, sent, "v1", object.managers.Copy(), one.Manager, *one.Force)
	}
	if conflicts, is := err.(merge.Conflicts); is {
		found := [][]any{}
		for _, conflict := range conflicts {
			found = append(found, []any{conflict.Manager, fields(fieldpath.NewSet(conflict.Path))})
		}
		return answer{"conflicts": found}
	}
	if err != nil {
		panic(err)
	}
	// Nil where nothing changes.
	if live != nil {
		object.live = live
	}
	object.managers = managers
	owners := answer{}
	for name, owned := range managers {
		owners[name] = fields(owned.Set())
	}
	text, err := value.ToJSON(object.live.AsValue())
	if err != nil {
		panic(err)
	}
	return answer{"object": json.RawMessage(text), "owners": owners}
}

func fields(set *fieldpath.Set) json.RawMessage {
	text, err := set.ToJSON()
	if err != nil {
		panic(err)
	}
	return text
}
