{{- define "catalog-p2p.selector" -}}
app: catalog-p2p
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}
{{- define "catalog-p2p.labels" -}}
{{ include "catalog-p2p.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
{{- end }}
{{- define "catalog-p2p.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
