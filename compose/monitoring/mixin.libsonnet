// Rules and dashboards for those who gather monitoring as mixins (jsonnet-bundler, mixtool, kube-prometheus).
local page = 'https://github.com/tse-gateway/tse-gateway/blob/main/compose/monitoring/README.md';
{
  _config+:: {
    tseRunbook: page,  // or where your people read it
  },
  local groups = std.parseYaml(
    std.strReplace(importstr 'rules.yaml', page + '#', $._config.tseRunbook + '#')
  ).groups,
  local recorded(group) = std.objectHas(group.rules[0], 'record'),
  prometheusRules+:: { groups+: std.filter(recorded, groups) },
  prometheusAlerts+:: { groups+: std.filter(function(group) !recorded(group), groups) },
  grafanaDashboards+:: {
    'tse-fleet.json': import 'dashboards/tse-fleet.json',
    'tse-site.json': import 'dashboards/tse-site.json',
  },
}
