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

{{- define "kong.clusterName" -}}
{{- printf "%v-%v" (include "kong.fullname" .) .Release.Namespace }}
{{- end }}

{{- define "kong.fullname" -}}
{{- coalesce .Values.fullnameOverride (printf "%v-%v" .Release.Name (include "kong.name" .)) }}
{{- end }}

{{- define "kong.name" -}}
{{- coalesce .Values.nameOverride "kong" }}
{{- end }}

{{- define "kong.portMaps" -}}
{{- join ", " (compact (list (ternary (printf "%v:%v" .Values.proxy.http.servicePort .Values.proxy.http.containerPort) "" (not (empty .Values.proxy.http.enabled))) (ternary (printf "%v:%v" .Values.proxy.tls.servicePort .Values.proxy.tls.containerPort) "" (not (empty .Values.proxy.tls.enabled))))) }}
{{- end }}

{{- define "kong.proxyListen" -}}
{{- join ", " (compact (list (ternary (join " " (compact (list (printf "0.0.0.0:%v" .Values.proxy.http.containerPort) (join " " .Values.proxy.http.parameters)))) "" (not (empty .Values.proxy.http.enabled))) (ternary (join " " (compact (list (printf "0.0.0.0:%v" .Values.proxy.tls.containerPort) (join " " .Values.proxy.tls.parameters) "ssl"))) "" (not (empty .Values.proxy.tls.enabled))))) }}
{{- end }}

{{- define "kong.proxyServiceName" -}}
{{- coalesce .Values.proxy.nameOverride (printf "%v-proxy" (include "kong.fullname" .)) }}
{{- end }}

{{- define "kong.serviceAccountName" -}}
{{- if .Values.deployment.serviceAccount.create }}
{{- coalesce .Values.deployment.serviceAccount.name (include "kong.fullname" .) }}
{{- else }}
{{- coalesce .Values.deployment.serviceAccount.name "default" }}
{{- end }}
{{- end }}

{{- define "kong.streamListen" -}}
{{- $all := list }}
{{- range .Values.proxy.stream }}
{{- $all = append $all (join " " (compact (list (printf "0.0.0.0:%v" .containerPort) (join " " .parameters)))) }}
{{- end }}
{{- join ", " $all }}
{{- end }}
