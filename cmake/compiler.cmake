# Warnings, hardening and sanitizers, for every target of the project.
add_library(crew_options INTERFACE)
target_compile_definitions(crew_options INTERFACE _GNU_SOURCE
                           CREW_VERSION="${PROJECT_VERSION}")
target_compile_options(crew_options INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes
  -Wmissing-prototypes -Wvla -Wformat=2 -fno-math-errno
  -fstack-protector-strong)
if(CREW_WERROR)
  target_compile_options(crew_options INTERFACE -Werror)
endif()
if(CREW_SANITIZE)
  target_compile_options(crew_options INTERFACE
    -fsanitize=${CREW_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(crew_options INTERFACE -fsanitize=${CREW_SANITIZE})
else()
  target_compile_options(crew_options INTERFACE
    $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
  target_link_options(crew_options INTERFACE -Wl,-z,relro,-z,now)
endif()
