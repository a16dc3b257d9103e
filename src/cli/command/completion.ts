// completion: the script that a shell loads; it asks `coracle __complete` for every word.
import { CliError, type Context } from '../command.ts';

const BASH = `# bash completion for coracle: source <(coracle completion bash)
_coracle() {
  local line directive word kept
  local -a words
  COMPREPLY=()
  # COMP_WORDS has the parts of busybox:latest as words of their own (COMP_WORDBREAKS, bash(1)).
  line="\${COMP_LINE:0:COMP_POINT}"
  read -ra words <<<"$line"
  case "$line" in *[[:blank:]]) words+=("") ;; esac
  word="\${words[@]: -1}"
  kept="\${word%"\${word##*[:=]}"}"
  while IFS= read -r line; do
    case "$line" in
      :*) directive="\${line#:}" ;;
      *) line="\${line%%$'\\t'*}" && COMPREPLY+=("\${line#"$kept"}") ;;
    esac
  done < <("\${words[0]}" __complete "\${words[@]:1}" 2>/dev/null)
  if [ "\${directive:-0}" = 0 ] && [ \${#COMPREPLY[@]} -eq 0 ]; then
    compopt -o default 2>/dev/null
  fi
}
complete -F _coracle coracle
`;

const ZSH = `#compdef coracle
# zsh completion for coracle: source <(coracle completion zsh)
_coracle() {
  local -a lines names
  local line
  lines=("\${(@f)$("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  for line in $lines; do
    [[ $line == :* ]] && continue
    names+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  if (( \${#names} )); then _describe 'coracle' names; else _files; fi
}
compdef _coracle coracle
`;

const FISH = `# fish completion for coracle: coracle completion fish | source
function __coracle_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in ($words[1] __complete $words[2..-1] 2>/dev/null)
    string match -q ':*' -- $line; or echo $line
  end
end
complete -c coracle -f -a '(__coracle_complete)'
`;

const SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

export async function run({ args, path }: Context): Promise<number> {
  const script = SCRIPTS[args[0] ?? ''];
  if (script === undefined) {
    throw new CliError(1, `unknown shell '${args[0]}': use '${path} bash', 'zsh' or 'fish'`);
  }
  process.stdout.write(script);
  return 0;
}
