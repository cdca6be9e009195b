{{- /* Made by `make charts` from crossfade.install. */}}
{{- /*
The entries of a container's environment. "variables" by name; "more" are lists of entries of values, with the prefix
of their names, and which of them are taken; an entry that is an object says where its value comes from.
*/}}
{{- define "crossfade.environment" -}}
{{- $all := dict }}
{{- range $name, $entry := .variables }}
{{- $_ := set $all $name $entry }}
{{- end }}
{{- range $more := .more }}
{{- range $name, $entry := $more.value }}
{{- if ternary (has (lower $name) $more.only) (not (has (lower $name) $more.without)) (not (empty $more.only)) }}
{{- $full := ternary (upper (printf "%s%s" $more.prefix $name)) $name (not (empty $more.prefix)) }}
{{- $_ := set $all $full $entry }}
{{- end }}
{{- end }}
{{- end }}
{{- $entries := list }}
{{- range $name, $entry := $all }}
{{- if kindIs "map" $entry }}
{{- $entries = append $entries (merge (dict "name" $name) $entry) }}
{{- else if kindIs "string" $entry }}
{{- $entries = append $entries (dict "name" $name "value" $entry) }}
{{- else }}
{{- $entries = append $entries (dict "name" $name "value" (toJson $entry)) }}
{{- end }}
{{- end }}
{{- toYaml $entries }}
{{- end }}

{{- define "appmesh-controller.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- coalesce .Values.serviceAccount.name "appmesh-controller" }}
{{- else }}
{{- coalesce .Values.serviceAccount.name "default" }}
{{- end }}
{{- end }}
