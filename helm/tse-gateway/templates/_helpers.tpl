{{- define "tse.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "tse.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "tse.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "tse.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "tse.selector" -}}
app.kubernetes.io/name: {{ include "tse.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tse.labels" -}}
{{ include "tse.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Labels of the pod: none that changes with the chart, since each change of the pod is a restart. */}}
{{- define "tse.podLabels" -}}
{{ include "tse.selector" . }}
{{- with .Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Labels of the pod of `helm test`: not those by which Services choose. */}}
{{- define "tse.testLabels" -}}
app.kubernetes.io/name: {{ include "tse.name" . }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tse.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "tse.serviceAccount" -}}
{{- default (ternary (include "tse.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "tse.address" -}}
{{- default (printf "%s.%s.svc" (include "tse.fullname" .) .Release.Namespace) .Values.address -}}
{{- end -}}

{{/* Why Pod Security admits the pod at no lower level than "privileged", as a JSON list; empty if it does. */}}
{{- define "tse.privileges" -}}
{{- $found := list -}}
{{- if and (eq .Values.mode "disk") .Values.disk.privileged }}{{ $found = append $found "a privileged container (mode disk)" }}{{ end -}}
{{- if has .Values.mode (list "disk" "volume") }}{{ $found = append $found (printf "hostPath volumes (mode %s)" .Values.mode) }}{{ end -}}
{{- if eq .Values.persistence.type "hostPath" }}{{ $found = append $found "a hostPath volume (persistence.type)" }}{{ end -}}
{{- if .Values.hostPort }}{{ $found = append $found "hostPort" }}{{ end -}}
{{- if .Values.hostNetwork }}{{ $found = append $found "hostNetwork" }}{{ end -}}
{{- range .Values.extraVolumes }}{{ if .hostPath }}{{ $found = append $found (printf "a hostPath volume (%s of extraVolumes)" .name) }}{{ end }}{{ end -}}
{{- $found | toJson -}}
{{- end -}}

{{- define "tse.tlsSecret" -}}
{{- if .Values.tls.certManager.enabled -}}{{ include "tse.fullname" . }}-tls{{- else -}}{{ .Values.tls.secretName }}{{- end -}}
{{- end -}}

{{- define "tse.secret" -}}
{{- default (include "tse.fullname" .) .Values.secrets.existing -}}
{{- end -}}

{{/* The keys that the Secret has, as a JSON list. */}}
{{- define "tse.keys" -}}
{{- $keys := list -}}
{{- if or .Values.secrets.existing .Values.secrets.external.enabled -}}
{{- $keys = .Values.secrets.keys -}}
{{- else -}}
{{- if .Values.secrets.apiToken }}{{ $keys = append $keys "api-token" }}{{ end -}}
{{- if .Values.secrets.timeAdminPin }}{{ $keys = append $keys "time-admin-pin" }}{{ end -}}
{{- if .Values.secrets.metricsToken }}{{ $keys = append $keys "metrics-token" }}{{ end -}}
{{- range $key, $_ := .Values.secrets.extra }}{{ $keys = append $keys $key }}{{ end -}}
{{- end -}}
{{- $keys | toJson -}}
{{- end -}}

{{/* What the schema cannot say. */}}
{{- define "tse.check" -}}
{{- if and (ne .Values.mode "simulator") (not .Values.address) -}}
{{- fail "address is needed: the address of the gateway that tills are told to use" -}}
{{- end -}}
{{- if and (eq .Values.mode "plugin") (not .Values.plugin.resource) -}}
{{- fail "plugin.resource is needed: the resource that the device plugin offers, such as squat.ai/tse" -}}
{{- end -}}
{{- if and (eq .Values.mode "volume") (not .Values.volume.serials) -}}
{{- fail "volume.serials is needed: the serials of the TSEs whose volumes the node mounts" -}}
{{- end -}}
{{- if and (eq .Values.mode "lan") (not .Values.lan.upstreams) -}}
{{- fail "lan.upstreams is needed: url and tokenKey of each connector" -}}
{{- end -}}
{{- if and (eq .Values.persistence.type "none") (ne .Values.mode "simulator") -}}
{{- fail "persistence.type none would lose the token and the certificates: for mode simulator only" -}}
{{- end -}}
{{- if and (eq .Values.persistence.type "hostPath") (not .Values.persistence.hostPath) -}}
{{- fail "persistence.hostPath is needed: a directory of the node that belongs to 10001:10001" -}}
{{- end -}}
{{- if and .Values.tls.secretName .Values.tls.certManager.enabled -}}
{{- fail "tls.secretName and tls.certManager are both given: keep one of them" -}}
{{- end -}}
{{- if and .Values.tls.certManager.enabled (not .Values.tls.certManager.issuer) -}}
{{- fail "tls.certManager.issuer is needed" -}}
{{- end -}}
{{- if and .Values.secrets.external.enabled (or (not .Values.secrets.external.store) (not .Values.secrets.external.remoteKey)) -}}
{{- fail "secrets.external.store and secrets.external.remoteKey are needed" -}}
{{- end -}}
{{- $foreign := or .Values.secrets.existing .Values.secrets.external.enabled -}}
{{- if and $foreign (not .Values.secrets.keys) -}}
{{- fail "secrets.keys is needed: the keys of your Secret that are used, such as api-token" -}}
{{- end -}}
{{- if and .Values.secrets.keys (not $foreign) -}}
{{- fail "secrets.keys are those of a Secret of yours: set secrets.existing or secrets.external, or leave them out" -}}
{{- end -}}
{{- range $name := list "apiToken" "timeAdminPin" "metricsToken" "extra" -}}
{{- if and $foreign (index $.Values.secrets $name) -}}
{{- fail (printf "secrets.%s is not read beside a Secret of yours: put it there, and its key into secrets.keys" $name) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if hasPrefix "GATEWAY_" .name -}}
{{- fail (printf "extraEnv: %s is a setting of the gateway: put it into settings" .name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.service.nodePort (eq .Values.service.type "ClusterIP") -}}
{{- fail "service.nodePort needs service.type NodePort or LoadBalancer" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.enabled) -}}
{{- fail "metrics.serviceMonitor needs metrics.enabled: the port that Prometheus reads" -}}
{{- end -}}
{{- range $name := list "port" "state_dir" "site" "address" "api_token" "api_token_file" "time_admin_pin" "time_admin_pin_file" "tls_certificate" "tls_key" "simulators" "simulator_profile" "upstreams" "tokens" "metrics_listen" "metrics_port" "metrics_token" "metrics_token_file" -}}
{{- if hasKey $.Values.settings $name -}}
{{- fail (printf "settings.%s is set by the chart itself: see the table of values for what sets it" $name) -}}
{{- end -}}
{{- end -}}
{{- range .Values.lan.upstreams -}}
{{- if not (has .tokenKey (include "tse.keys" $ | fromJsonArray)) -}}
{{- fail (printf "lan.upstreams: the Secret has no key %s: put it into secrets.extra, or into secrets.keys for a Secret of yours" .tokenKey) -}}
{{- end -}}
{{- end -}}
{{- range .Values.tokens -}}
{{- if not (has .tokenKey (include "tse.keys" $ | fromJsonArray)) -}}
{{- fail (printf "tokens: the Secret has no key %s: put it into secrets.extra, or into secrets.keys for a Secret of yours" .tokenKey) -}}
{{- end -}}
{{- end -}}
{{- if le (mulf 4 .Values.terminationGracePeriodSeconds) (mulf 5 (dig "stop_timeout" 20 .Values.settings)) -}}
{{- fail "terminationGracePeriodSeconds must be more than 5/4 of settings.stop_timeout: tills finish first" -}}
{{- end -}}
{{- end -}}

{{/* The settings file of the gateway. JSON's strings, numbers, booleans and lists are TOML's as well. */}}
{{- define "tse.settings" -}}
{{- $own := dict "site" .Values.site -}}
{{- with .Values.address }}{{ $_ := set $own "address" . }}{{ end -}}
{{- if eq .Values.mode "simulator" -}}
{{- $own = merge $own (dict "simulators" (int .Values.simulator.count) "simulator_profile" .Values.simulator.profile "address" (include "tse.address" .)) -}}
{{- else if eq .Values.mode "volume" -}}
{{- $places := list -}}
{{- range .Values.volume.serials }}{{ $places = append $places (printf "%s/%s" $.Values.volume.path .) }}{{ end -}}
{{- $_ := set $own "devices" $places -}}
{{- else if eq .Values.mode "lan" -}}
{{- $_ := set $own "discover" false -}}
{{- else if and (eq .Values.mode "plugin") .Values.plugin.devices -}}
{{- $_ := set $own "devices" .Values.plugin.devices -}}
{{- end -}}
{{- if .Values.metrics.enabled -}}
{{- $own = merge $own (dict "metrics_listen" (ternary "tls" "plain" (has "metrics-token" (include "tse.keys" . | fromJsonArray))) "metrics_port" (int .Values.metrics.port)) -}}
{{- end -}}
{{- range $name, $value := merge (deepCopy .Values.settings) $own }}
{{ $name }} = {{ $value | toJson }}
{{- end }}
{{- if eq .Values.mode "lan" }}
{{- range .Values.lan.upstreams }}

[[upstreams]]
url = {{ .url | toJson }}
token_file = {{ printf "/run/secrets/tse-gateway/%s" .tokenKey | toJson }}
{{- with .fingerprint }}
fingerprint = {{ . | toJson }}
{{- end }}
{{- end }}
{{- end }}
{{- range .Values.tokens }}

[[tokens]]
name = {{ .name | toJson }}
role = {{ .role | toJson }}
token_file = {{ printf "/run/secrets/tse-gateway/%s" .tokenKey | toJson }}
clients = {{ default (list) .clients | toJson }}
tses = {{ default (list) .tses | toJson }}
{{- end }}
{{- end -}}
