# SPDX-License-Identifier: Apache-2.0
#
# Fails unless each class and struct of the headers says its thread word ("Threads: thread-safe"), and the table
# of threading.md has each class beside the word that its header says: awk -f check.awk threading.md HEADER…

BEGIN { WORDS = "(thread-safe|reentrant|thread-bound)" }

function complain(sentence) {
    print sentence
    wrong = 1
}

# threading.md: | word | `Class`, `Class` |
FNR == NR {
    if ($0 ~ "^\\| *" WORDS " *\\|") {
        count = split($0, part, "`")
        match($0, WORDS)
        word = substr($0, RSTART, RLENGTH)
        for (i = 2; i <= count; i += 2)
            listed[part[i]] = word
    }
    next
}

FNR == 1 { comment = ""; private = 0 }

# What is in a namespace detail is nobody's business.
/^namespace detail / { private = 1 }
/^} +\/\/ namespace detail/ { private = 0 }
private { next }

# The comment of what follows; a template's parameters stand between the two.
/^\/\/\// { comment = comment " " substr($0, 4); next }
/^template/ { next }

/^(class|struct) / && !/^[^{]*;[ \t]*$/ {
    name = $0
    sub(/^(class|struct) +(\[\[nodiscard\]\] +)?/, "", name)
    sub(/[^A-Za-z0-9_].*/, "", name)
    known[name] = 1
    gsub(/ +/, " ", comment)
    if (!match(comment, "Threads: " WORDS))
        complain(FILENAME ":" FNR ": " name " says no thread word; its comment should end in \"Threads: \" and thread-safe, reentrant or thread-bound")
    else {
        said = substr(comment, RSTART + 9, RLENGTH - 9)
        if (name in listed && listed[name] != said)
            complain(FILENAME ":" FNR ": " name " says " said ", and threading.md says " listed[name])
        else if (!(name in listed) && /^class/)
            complain(FILENAME ":" FNR ": " name " is not in the table of threading.md; it belongs beside " said)
    }
}

{ comment = "" }

END {
    for (name in listed)
        if (!(name in known))
            complain("threading.md lists " name ", which is a class of no public header")
    exit wrong
}
