# Writes the bytes of IN to OUT as a C array named SYMBOL, with its length in SYMBOL_len.
file(READ ${IN} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
file(WRITE ${OUT}
     "#include <stddef.h>\nextern const unsigned char ${SYMBOL}[];\nextern const size_t ${SYMBOL}_len;\n"
     "const unsigned char ${SYMBOL}[] = {\n${bytes}0};\n"
     "const size_t ${SYMBOL}_len = sizeof(${SYMBOL}) - 1;\n")
