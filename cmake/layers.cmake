# crew_layer(NAME [LINK targets...])
#
# Makes the static archive crew_NAME of all .c files of the current folder and
# lets who links it write #include "NAME/x.h": the build tree holds a folder
# with one link, NAME, to the source folder, and only that folder is on the
# include path. So a folder can be included only by those that link it. NAME may
# be a folder of a folder, as estimator/run, whose archive is crew_estimator_run.
function(crew_layer layer)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  string(REPLACE / _ name ${layer})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  set(view ${CMAKE_BINARY_DIR}/include/${name})
  cmake_path(GET layer PARENT_PATH parent)
  file(MAKE_DIRECTORY ${view}/${parent})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${view}/${layer} SYMBOLIC)
  if(sources)
    add_library(crew_${name} STATIC ${sources})
    target_include_directories(crew_${name} PUBLIC ${view})
    target_link_libraries(crew_${name} PRIVATE crew_options PUBLIC crew_api ${ARG_LINK})
  else()
    add_library(crew_${name} INTERFACE)
    target_include_directories(crew_${name} INTERFACE ${view})
    target_link_libraries(crew_${name} INTERFACE crew_api ${ARG_LINK})
  endif()
endfunction()
