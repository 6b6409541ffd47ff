"""Panels and variables that both dashboards are made of."""

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphTresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
)
from grafana_foundation_sdk.models.dashboard import (
    AnnotationQuery,
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    MatcherConfig,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from compose.monitoring.source.matchers import AT

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
Steps = tuple[tuple[float | None, str], ...]

GOOD = ((None, "green"),)
YES = ((None, "red"), (1, "green"))
NO = ((None, "green"), (1, "red"))


def few(warning: float, critical: float) -> Steps:
    """Little is bad."""
    return ((None, "red"), (critical, "orange"), (warning, "green"))


def many(warning: float, critical: float) -> Steps:
    """Much is bad."""
    return ((None, "green"), (warning, "orange"), (critical, "red"))


def board(title: str, uid: str, description: str, refresh: str) -> dashboard.Dashboard:
    """Make an empty dashboard with its variables up to the site."""
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["tse"])
        .refresh(refresh)
        .time("now-24h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("TSE dashboards")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["tse"])
            .as_dropdown(False)
            .include_vars(True)
            .keep_time(True)
        )
        .readonly()
        .annotation(_OutageMarks())
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(variable("site", "Site", "label_values(tse_gateway_build_info, site)"))
    )


def variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """Let the reader choose some or all values of a label; a gateway without a site is among "all"."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
    )


def number(  # noqa: PLR0917 (as a table is read)
    title: str, text: str, expr: str, unit: str, steps: Steps, legend: str = "", span: int = 4, height: int = 4
) -> stat.Panel:
    """One big number for each series."""
    return (
        stat.Panel()
        .title(title)
        .description(text)
        .datasource(SOURCE)
        .unit(unit)
        .thresholds(_thresholds(steps))
        .color_mode(BigValueColorMode.BACKGROUND)
        .graph_mode(BigValueGraphMode.NONE)
        .height(height)
        .span(span)
        .with_target(_query(expr, legend).instant())
    )


def answer(title: str, text: str, expr: str, legend: str, span: int = 4) -> stat.Panel:
    """Yes or no."""
    words = {"0": ValueMappingResult(text="no", color="red"), "1": ValueMappingResult(text="yes", color="green")}
    return number(title, text, expr, "none", YES, legend, span).mappings([ValueMap(options=words)])


def alerts(matchers: str, span: int = 24, height: int = 5) -> table.Panel:
    """Make a panel of what fires now."""
    text = "Alerts that fire now, as the Prometheus of this data source evaluates them; what to do is in the runbook"
    return listing(
        "Alerts",
        text,
        f'ALERTS{{component="tse-gateway", alertstate="firing", severity!="none", {matchers}}}',
        "Value",
        "alertstate",
        span=span,
        height=height,
    )


def curve(
    title: str, text: str, unit: str, steps: Steps, *queries: tuple[str, str], span: int = 8, signed: bool = False
) -> timeseries.Panel:
    """Over time; each query with the name of its lines. Without `signed` the axis begins at 0."""
    legend = (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    shown = GraphTresholdsStyleMode.DASHED if len(steps) > 1 else GraphTresholdsStyleMode.OFF
    panel = (
        timeseries.Panel()
        .title(title)
        .description(text)
        .datasource(SOURCE)
        .unit(unit)
        .thresholds(_thresholds(steps))
        .thresholds_style(common.GraphThresholdsStyleConfig().mode(shown))
        .legend(legend)
        .height(7)
        .span(span)
    )
    for ref, (expr, name) in zip("ABCDEFGH", queries, strict=False):
        panel = panel.with_target(_query(expr, name).ref_id(ref))
    return panel if signed else panel.min(0)


def overview(
    title: str, text: str, *columns: tuple[str, str, str, Steps], by: str = "serial", height: int = 14
) -> table.Panel:
    """Make a row for each value of `by`; a column is title, query, unit, thresholds; without a title it adds labels."""
    panel = table.Panel().title(title).description(text).datasource(SOURCE).height(height).span(24)
    panel = panel.thresholds(_thresholds(GOOD))
    for ref, (name, expr, unit, steps) in zip("ABCDEFGHIJKLM", columns, strict=False):
        panel = panel.with_target(_query(expr, "").ref_id(ref).instant().format(PromQueryFormat.TABLE))
        value = MatcherConfig(id_val="byName", options=f"Value #{ref}")
        panel = panel.with_override(value, _column(name, unit, steps)) if name else panel
    panel = panel.with_transformation(_transformation("joinByField", {"byField": by, "mode": "outer"}))
    unnamed = [f"Value #{ref}" for ref, (name, *_) in zip("ABCDEFGHIJKLM", columns, strict=False) if not name]
    hidden = dict.fromkeys(("Time", *(f"Time {number}" for number in range(1, 14)), *unnamed), True)
    panel = panel.with_override(MatcherConfig(id_val="byName", options="serial"), [_to_site()])
    return panel.with_transformation(_transformation("organize", {"excludeByName": hidden}))


def listing(title: str, text: str, expr: str, *hidden: str, span: int = 12, height: int = 7) -> table.Panel:
    """Make a row for each series of one query, with its labels."""
    names = dict.fromkeys(("Time", "job", "component", "__name__", *hidden), True)
    return (
        table.Panel()
        .title(title)
        .description(text)
        .datasource(SOURCE)
        .unit("none")
        .thresholds(_thresholds(GOOD))
        .height(height)
        .span(span)
        .with_target(_query(expr, "").instant().format(PromQueryFormat.TABLE))
        .with_transformation(_transformation("organize", {"excludeByName": names}))
    )


class _OutageMarks(AnnotationQuery, Builder[AnnotationQuery]):
    """Red regions of all curves while a TSE of a chosen site is out of order."""

    def __init__(self) -> None:
        expr = f"max by (site, serial) (tse_outage_active{{{AT}}}) == 1"
        super().__init__(name="Outages", datasource=SOURCE, icon_color="red", expr=expr)

    def build(self) -> AnnotationQuery:
        """Return itself."""
        return self

    def to_json(self) -> dict[str, object]:
        """Add the fields that the SDK does not know."""
        return super().to_json() | {
            "titleFormat": "{{site}}: TSE out of order",
            "textFormat": "{{serial}}",
            "step": "1m",
        }


def _query(expr: str, legend: str) -> prometheus.Dataquery:
    """Make a legend: {{tse}} names a TSE by the first eight digits of its serial."""
    if "{{tse}}" in legend:
        expr = f'label_replace({expr}, "tse", "$1", "serial", "(.{{8}}).*")'
    return prometheus.Dataquery().expr(expr).legend_format(legend).ref_id("A")


def _to_site() -> DynamicConfigValue:
    """From a row to the dashboard of its site."""
    chosen = "&".join(f"var-{name}=${{__data.fields.{name}}}" for name in ("site", "serial"))
    return DynamicConfigValue(id_val="links", value=[{"title": "TSE site", "url": f"/d/tse-site?{chosen}"}])


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    found = [Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(found)


def _column(name: str, unit: str, steps: Steps) -> list[DynamicConfigValue]:
    colours = {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]}
    return [
        DynamicConfigValue(id_val="displayName", value=name),
        DynamicConfigValue(id_val="unit", value=unit),
        DynamicConfigValue(id_val="thresholds", value=colours),
        DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}),
    ]


def _transformation(name: str, options: dict[str, object]) -> DataTransformerConfig:
    return DataTransformerConfig(id_val=name, options=options)
