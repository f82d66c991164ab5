# Links that doxygen cannot follow: into the middle of a page, and to what is no page.
s/\]\(([^)#]+\.md)#[^)]*\)/](\1)/g
s/\[([^]]+)\]\([^):]*\.(c|cpp|json|service|toml)\)/`\1`/g
