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
