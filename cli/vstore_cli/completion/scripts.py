"""The scripts that shells source to complete `vstore`. They hold no name of any store."""

from __future__ import annotations

BASH = """\
# vstore completion for bash. Source it: eval "$(vstore completion bash)"
_vstore_completion() {
    local IFS=$'\\n' cur="${COMP_WORDS[COMP_CWORD]}" line kind value files=""
    [[ $cur == [=:] ]] && cur=""
    COMPREPLY=()
    while IFS= read -r line; do
        kind="${line%%,*}" value="${line#*,}"
        case "$kind" in
            file | dir) files="$kind" ;;
            plain) COMPREPLY+=("${value%%$'\\t'*}") ;;
        esac
    done < <(_VSTORE_COMPLETE=bash_complete COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORD="$cur" "$1" 2>/dev/null)
    if [[ -n $files && ${#COMPREPLY[@]} -gt 0 ]]; then
        compopt -o filenames 2>/dev/null
        while IFS= read -r value; do
            [[ $'\\n'"${COMPREPLY[*]}"$'\\n' == *$'\\n'"$value"$'\\n'* ]] || COMPREPLY+=("$value")
        done < <(compgen -"${files:0:1}" -- "$cur" | sort)
    elif [[ $files == dir ]]; then
        compopt -o dirnames +o nosort 2>/dev/null
    elif [[ $files == file ]]; then
        compopt -o default +o nosort 2>/dev/null
    fi
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
    return 0
}
complete -o nosort -F _vstore_completion vstore 2>/dev/null || complete -F _vstore_completion vstore
"""

ZSH = """\
#compdef vstore
# vstore completion for zsh. Source it after compinit: eval "$(vstore completion zsh)"
_vstore_completion() {
    local -a plain described begun
    local line kind value about
    (( $+commands[$words[1]] )) || [[ -x ${~words[1]} ]] || return 1
    for line in "${(@f)$(_VSTORE_COMPLETE=zsh_complete \\
            COMP_LINE="${(j: :)words[1,CURRENT-1]} ${QIPREFIX}${PREFIX}" ${~words[1]} 2>/dev/null)}"; do
        kind="${line%%,*}" value="${line#*,}"
        about="${value#*$'\\t'}" value="${value%%$'\\t'*}"
        case "$kind" in
            dir) compset -P '*='; _path_files -/ ;;
            file) compset -P '*='; _path_files -f ;;
            plain)
                if [[ $value == *= ]]; then
                    begun+=("$value")
                elif [[ -n $about ]]; then
                    described+=("${value//:/\\\\:}:$about")
                else
                    plain+=("$value")
                fi ;;
        esac
    done
    (( $#described )) && _describe -V unsorted described
    (( $#plain )) && compadd -V unsorted -a plain
    (( $#begun )) && compadd -V unsorted -S '' -a begun
    return 0
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _vstore_completion "$@"
else
    compdef _vstore_completion vstore
fi
"""

FISH = """\
# vstore completion for fish. Source it: vstore completion fish | source
function _vstore_completion
    set -l words (commandline -opc)
    set -l token (commandline -ct | string collect)
    for line in (env _VSTORE_COMPLETE=fish_complete COMP_LINE=(commandline -cp | string collect) $words[1] 2>/dev/null)
        set -l parts (string split --max 1 , -- $line)
        switch $parts[1]
            case dir file
                set -l option (string match --regex '^--[^=]*=' -- $token)
                set -l path (string replace --regex '^--[^=]*=' '' -- $token)
                if test $parts[1] = dir
                    string replace --regex '^' -- "$option" (__fish_complete_directories "$path")
                else
                    string replace --regex '^' -- "$option" (__fish_complete_path "$path")
                end
            case plain
                echo -- $parts[2]
        end
    end
end
complete --command vstore --erase
complete --command vstore --no-files --keep-order --arguments '(_vstore_completion)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
INSTALL = {
    "bash": 'add to ~/.bashrc:  eval "$(vstore completion bash)"',
    "zsh": 'add to ~/.zshrc, after compinit:  eval "$(vstore completion zsh)"',
    "fish": "write it to a file:  vstore completion fish > ~/.config/fish/completions/vstore.fish",
}
