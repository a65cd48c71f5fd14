"""A slow decoder of event streams, written straight from the standard, sentence by sentence."""


def events(stream: bytes) -> list[tuple[str, str, str]]:
    """The type, data and last event id of each event that is dispatched."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    found: list[tuple[str, str, str]] = []
    data = kind = last_id = ""
    for line in lines(text):
        if line == "":
            if data == "":
                kind = ""
                continue
            found.append((kind or "message", data.removesuffix("\n"), last_id))
            data = kind = ""
        elif line[0] == ":":
            continue
        else:
            field, value = line, ""
            if ":" in line:
                at = line.index(":")
                field, value = line[:at], line[at + 1 :]
                if value[:1] == " ":
                    value = value[1:]
            if field == "event":
                kind = value
            elif field == "data":
                data += value + "\n"
            elif field == "id" and "\0" not in value:
                last_id = value
    return found


def lines(text: str) -> list[str]:
    """The lines that have an end: CR LF, LF or CR."""
    found: list[str] = []
    line = ""
    at = 0
    while at < len(text):
        if text[at] in "\r\n":
            if text[at : at + 2] == "\r\n":
                at += 1
            found.append(line)
            line = ""
        else:
            line += text[at]
        at += 1
    return found
