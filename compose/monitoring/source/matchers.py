"""What is chosen on a dashboard, as matchers of PromQL, and how a TSE is called in legends."""

AT = 'site=~"$site"'
GATEWAY = f'{AT}, instance=~"$instance"'
TSE = f'{AT}, serial=~"$serial"'  # whichever gateway, or pod, had it then
SHORT = "{{tse}}"
DAY = 86_400
