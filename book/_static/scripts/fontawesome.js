// Left empty: the theme brings its icons as a font as well. Its script would draw them once more as SVG, for 1.5 MB a page.
