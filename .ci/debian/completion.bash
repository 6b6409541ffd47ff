# Completion of tse-gateway; options and commands only, since what a gateway knows needs its user.
_tse_gateway() {
  mapfile -t COMPREPLY < <(
    COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD _TSE_GATEWAY_COMPLETE=complete_bash \
      /usr/lib/tse-gateway/bin/python -I -m gateway 2>/dev/null
  )
}
complete -o default -F _tse_gateway tse-gateway
