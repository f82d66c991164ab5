// SPDX-License-Identifier: Apache-2.0
// Completions for bash, zsh and fish. They complete commands, options, words to choose from and
// files; never names of keys, which would take opening the database or the HSM at each Tab.
#include <set>

#include "text.hpp"
#include "tree.hpp"

namespace cli {

namespace {

constexpr const char* note = "# Made by \"jwekms generate\" from the program's own command line.\n";

/// "/key/create"; the program itself is "".
[[nodiscard]] std::string path_of(const CommandText& command) {
  return command.path.empty() ? "" : '/' + joined(command.path, "/");
}

/// A word in single quotes for a shell.
[[nodiscard]] std::string single_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c == '\n' ? ' ' : c;
  }
  return out += '\'';
}

/// A description, as one line without what `_arguments` and `_describe` take for themselves.
[[nodiscard]] std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

[[nodiscard]] std::vector<std::string> command_names(const CommandText& command) {
  std::vector<std::string> names;
  for (const CommandText& each : command.commands) names.push_back(each.name());
  return names;
}

[[nodiscard]] std::vector<std::string> option_names(const CommandText& command) {
  std::vector<std::string> names;
  for (const OptionText& option : command.options)
    names.insert(names.end(), option.names.begin(), option.names.end());
  return names;
}

/// Every option that takes a value, in any command: the word behind it is no command.
[[nodiscard]] std::set<std::string> valued_options(const CommandText& top) {
  std::set<std::string> names;
  for_each_command(top, [&](const CommandText& command) {
    for (const OptionText& option : command.options)
      if (!option.value.empty()) names.insert(option.names.begin(), option.names.end());
  });
  return names;
}

[[nodiscard]] std::string valued_pattern(const CommandText& top) {
  const std::set<std::string> names = valued_options(top);
  return joined(std::vector<std::string>(names.begin(), names.end()), "|");
}

// bash

void append_bash_values(std::string& out, const CommandText& command) {
  for (const OptionText& option : command.options) {
    const std::vector<std::string> words = option.words();
    if (option.positional() || (words.empty() && !option.takes_file())) continue;
    std::vector<std::string> patterns;
    // The program's own options may stand behind any command.
    const std::string path = command.path.empty() ? "*" : '\'' + path_of(command) + '\'';
    for (const std::string& name : option.names) patterns.push_back(path + "' " + name + '\'');
    out += "    " + joined(patterns, "|") + ") ";
    if (option.takes_file())
      out += "_jwekms_files \"$cur\"";
    else
      out += "COMPREPLY=($(compgen -W " + single_quoted(joined(words, " ")) + " -- \"$cur\"))";
    out += "; return ;;\n";
  }
}

void append_bash_command(std::string& out, const CommandText& command,
                         const std::string& global_options) {
  std::vector<std::string> words = command_names(command);
  bool files = false;
  for (const OptionText& option : command.options) {
    if (!option.positional()) continue;
    for (const std::string& word : option.words()) words.push_back(word);
    files = files || option.takes_file();
  }
  out += "    '" + path_of(command) + "')\n      options=" +
         single_quoted(joined(option_names(command), " ") +
                       (command.path.empty() ? "" : ' ' + global_options)) +
         "\n      words=" + single_quoted(joined(words, " ")) +
         "\n      files=" + (files ? "yes" : "") + " ;;\n";
}

// zsh

[[nodiscard]] std::string zsh_action(const OptionText& option) {
  if (option.takes_file()) return "_files";
  const std::vector<std::string> words = option.words();
  return words.empty() ? " " : '(' + joined(words, " ") + ')';
}

void append_zsh_options(std::string& out, const CommandText& command) {
  for (const OptionText& option : command.options) {
    const std::string value =
        option.value.empty() ? ""
                             : ':' + zsh_text(option.words().empty() ? option.value : "value") +
                                   ':' + zsh_action(option);
    if (option.positional()) {
      out += "    " + single_quoted((option.repeats ? "*" : (option.required ? "" : ":")) + value) +
             " \\\n";
      continue;
    }
    const std::string exclude = option.repeats ? "*" : '(' + joined(option.names, " ") + ')';
    for (const std::string& name : option.names) {
      const std::string assign = option.value.empty() ? "" : (name.starts_with("--") ? "=" : "+");
      out += "    " +
             single_quoted(exclude + name + assign + '[' + zsh_text(option.description) + ']' +
                           value) +
             " \\\n";
    }
  }
}

[[nodiscard]] std::string zsh_function(const CommandText& command) {
  return command.path.empty() ? "_jwekms" : "_jwekms_" + joined(command.path, "_");
}

void append_zsh_command(std::string& out, const CommandText& command) {
  out += zsh_function(command) + "() {\n";
  if (command.commands.empty()) {
    out += "  _arguments -s -S \\\n";
    append_zsh_options(out, command);
    out += "    $_jwekms_globals\n}\n\n";
    return;
  }
  out += "  local state line\n  local -a commands=(\n";
  for (const CommandText& each : command.commands)
    out += "    " + single_quoted(each.name() + ':' + zsh_text(each.description)) + '\n';
  out += "  )\n  _arguments -C -s -S $_jwekms_globals '1: :->command' '*:: :->rest'\n";
  out += "  case $state in\n    command) _describe command commands ;;\n    rest)\n";
  out += "      case $words[1] in\n";
  for (const CommandText& each : command.commands)
    out += "        " + each.name() + ") " + zsh_function(each) + " ;;\n";
  out += "      esac ;;\n  esac\n}\n\n";
}

// fish

void append_fish_option(std::string& out, const std::string& when, const OptionText& option) {
  const std::vector<std::string> words = option.words();
  std::string line = "complete -c jwekms" + when;
  for (const std::string& name : option.names)
    line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  if (option.takes_file())
    line += option.positional() ? " -F" : " -r -F";
  else if (!option.value.empty() && !option.positional())
    line += " -x";
  if (!words.empty()) line += " -a " + single_quoted(joined(words, " "));
  if (option.positional() && !option.takes_file() && words.empty()) return;
  out += line + " -d " + single_quoted(option.description) + '\n';
}

}  // namespace

std::string bash_completion(const CommandText& top) {
  const std::string valued = valued_pattern(top);
  std::string out = std::string("# bash completion for jwekms\n") + note + R"(
_jwekms_files() {
  compopt -o filenames 2>/dev/null
  local IFS=$'\n'
  COMPREPLY=($(compgen -f -- "$1"))
}

_jwekms() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  local path= word i options= words= files=
  COMPREPLY=()
  # --name=value comes as three words.
  if [[ $cur == = ]]; then cur=
  elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    case $word in
      )" + valued +
                    R"() ((i++)); [[ ${COMP_WORDS[i]} == = ]] && ((i++)); continue ;;
    esac
    case $path/$word in
      )";
  std::vector<std::string> paths;
  for_each_command(top, [&](const CommandText& command) {
    if (!command.path.empty()) paths.push_back(path_of(command));
  });
  out += joined(paths, "|") + ") path=$path/$word ;;\n    esac\n  done\n";
  out += "  case \"$path $prev\" in\n";
  for_each_command(top, [&](const CommandText& command) { append_bash_values(out, command); });
  out += "  esac\n  case $prev in\n    " + valued + ") return ;;\n  esac\n  case $path in\n";
  const std::string globals = joined(option_names(top), " ");
  for_each_command(top,
                   [&](const CommandText& command) { append_bash_command(out, command, globals); });
  return out + R"(  esac
  if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "$options" -- "$cur"))
  elif [[ -n $words ]]; then COMPREPLY=($(compgen -W "$words" -- "$cur"))
  elif [[ -n $files ]]; then _jwekms_files "$cur"
  fi
}
complete -F _jwekms jwekms
)";
}

std::string zsh_completion(const CommandText& top) {
  std::string out = std::string("#compdef jwekms\n") + note + "\ntypeset -ga _jwekms_globals=(\n";
  std::string globals;
  append_zsh_options(globals, top);
  for (std::size_t at; (at = globals.find(" \\\n")) != std::string::npos;) globals.erase(at, 2);
  out += globals + ")\n\n";
  for_each_command(top, [&](const CommandText& command) { append_zsh_command(out, command); });
  return out + "_jwekms \"$@\"\n";
}

std::string fish_completion(const CommandText& top) {
  std::string out = std::string("# fish completion for jwekms\n") + note + R"(
function __jwekms_path
    set -l path ''
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case )";
  const std::set<std::string> valued = valued_options(top);
  out += joined(std::vector<std::string>(valued.begin(), valued.end()), " ");
  out +=
      "\n                set skip 1\n                continue\n        end\n"
      "        switch $path/$word\n            case ";
  std::vector<std::string> paths;
  for_each_command(top, [&](const CommandText& command) {
    if (!command.path.empty()) paths.push_back(path_of(command));
  });
  out += joined(paths, " ") +
         "\n                set path $path/$word\n        end\n    end\n    echo $path\nend\n\n"
         "complete -c jwekms -f\n";
  for_each_command(top, [&](const CommandText& command) {
    const std::string here = " -n 'test \"$(__jwekms_path)\" = \"" + path_of(command) + "\"'";
    for (const CommandText& each : command.commands)
      out += "complete -c jwekms" + here + " -a " + each.name() + " -d " +
             single_quoted(each.description) + '\n';
    for (const OptionText& option : command.options)
      append_fish_option(out, command.path.empty() ? "" : here, option);
  });
  return out;
}

}  // namespace cli
