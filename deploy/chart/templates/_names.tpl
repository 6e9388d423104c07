{{- define "ccm.name" -}}
{{ .Values.fullnameOverride }}
{{- end }}

{{/* The label `app`, by which the Deployment has selected its pods since its first version. */}}
{{- define "ccm.app" -}}
{{ eq .Values.fullnameOverride .Chart.Name | ternary "my-ccm" .Values.fullnameOverride }}
{{- end }}

{{- define "ccm.selector" -}}
app: {{ include "ccm.app" . }}
{{- end }}

{{/* Of the pods; those of the objects have the chart too. */}}
{{- define "ccm.podLabels" -}}
{{ include "ccm.selector" . }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "ccm.labels" -}}
{{ include "ccm.podLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "ccm.metadata" -}}
name: {{ include "ccm.name" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "ccm.labels" . | nindent 2 }}
{{- end }}

{{- define "ccm.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "ccm.name" .) }}
{{- end }}

{{- define "ccm.subject" -}}
kind: ServiceAccount
name: {{ include "ccm.serviceAccount" . }}
namespace: {{ .Release.Namespace }}
{{- end }}

{{- define "ccm.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* The port of an http or https URL. */}}
{{- define "ccm.port" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{ $port | default (eq $url.scheme "https" | ternary "443" "80") }}
{{- end }}

{{/* The configuration, and the files that it names. */}}
{{- define "ccm.fileMounts" -}}
- name: config
  mountPath: /etc/my-cloud-controller-manager
  readOnly: true
{{- range .Values.secrets }}
- name: secret-{{ . | replace "." "-" }}
  mountPath: /etc/my-ccm/secrets/{{ . }}
  readOnly: true
{{- end }}
{{- range .Values.configMaps }}
- name: config-map-{{ . | replace "." "-" }}
  mountPath: /etc/my-ccm/config-maps/{{ . }}
  readOnly: true
{{- end }}
- name: api-access
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end }}

{{- define "ccm.fileVolumes" -}}
- name: config
  configMap:
    name: {{ include "ccm.name" . }}
{{- range .Values.secrets }}
- name: secret-{{ . | replace "." "-" }}
  secret:
    secretName: {{ . }}
    # Octal 0440
    defaultMode: 288
{{- end }}
{{- range .Values.configMaps }}
- name: config-map-{{ . | replace "." "-" }}
  configMap:
    name: {{ . }}
{{- end }}
# As the API server would mount it, but the token is bound to the pod and expires after an hour;
# the mounted ones of many clusters are valid for a year.
- name: api-access
  projected:
    # Octal 0440
    defaultMode: 288
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                fieldPath: metadata.namespace
{{- end }}

{{- define "ccm.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "ccm.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
