# Warnings, hardening and sanitizers, for every target of the project.
include(CheckPIESupported)
check_pie_supported()

add_library(crew_options INTERFACE)
target_compile_definitions(crew_options INTERFACE _GNU_SOURCE
                           CREW_VERSION="${PROJECT_VERSION}")
target_compile_options(crew_options INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes
  -Wmissing-prototypes -Wvla -Walloca -Wformat=2 -fno-math-errno)
if(CREW_WERROR)
  target_compile_options(crew_options INTERFACE -Werror)
endif()

# No build path in the binaries: the same source gives the same bytes wherever
# it is built.
target_compile_options(crew_options INTERFACE
  -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)

set(hardening -fstack-protector-strong -fstack-clash-protection)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|AMD64")
  list(APPEND hardening -fcf-protection=full)
endif()

if(CREW_SANITIZE)
  target_compile_options(crew_options INTERFACE
    -fsanitize=${CREW_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(crew_options INTERFACE -fsanitize=${CREW_SANITIZE})
else()
  target_compile_options(crew_options INTERFACE ${hardening})
  # _FORTIFY_SOURCE wants an optimising build.
  target_compile_options(crew_options INTERFACE
    $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE>
    $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
  target_link_options(crew_options INTERFACE
    -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code)
endif()
